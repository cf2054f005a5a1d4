#!/usr/bin/env bash
# Tests docs/from-*.md: runs the chat that is moved from Socket.IO and the pages after the other moves in
# Chromium, and checks the types of all samples. Without Chromium only the latter, unless
# TEST_REQUIRE_BROWSER=1. Needs Node.js and npm.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/npm-ci.sh docs/moving
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
TEST_PROGRAM=$program/ignis node --test --test-concurrency=1 --test-reporter=spec docs/moving/*.test.mjs
