#!/usr/bin/env bash
# Runs gofumpt with the given flags on every Go file of the repository.
set -euo pipefail
cd "$(dirname "$0")/.."

find . -name node_modules -prune -o -name '*.go' -print0 |
	xargs -0 go tool -modfile=tools/go.mod gofumpt "$@"
