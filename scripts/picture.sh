#!/usr/bin/env bash
# Makes docs/chat.png, the picture in the README, and docs/chat.gif, a recording of two tabs. They
# need Chromium, redis-server, and the free ports 6379 and 8080.
set -euo pipefail
cd "$(dirname "$0")/.."

TEST_REQUIRE_BROWSER=1 scripts/setup.sh
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
scripts/npm-ci.sh browser
cd browser
export TEST_PROGRAM=$program/ignis
node picture.mjs
node picture.mjs --recording
