#!/usr/bin/env bash
# Floods 3,000 clients that do not read, and a few that do, on a server with a memory budget of
# 1 GiB. It fails if the server uses more, including what the kernel buffers for its clients, or
# if a client that reads misses a message. It needs about 2 GiB of memory and 7,000 file
# descriptors. The variables change the sizes.
set -euo pipefail
cd "$(dirname "$0")/.."
export TEST_MEMORY_MIB=${TEST_MEMORY_MIB:-1024}
export TEST_MEMORY_STOPPED=${TEST_MEMORY_STOPPED:-3000}
export TEST_MEMORY_MESSAGES=${TEST_MEMORY_MESSAGES:-300}
exec go test -count=1 -v -timeout 10m -run '^TestMemoryBudget$' ./cmd/ignis
