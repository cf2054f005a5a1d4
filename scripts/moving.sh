#!/usr/bin/env bash
# Tests docs/from-*.md: the chat that is moved from Socket.IO, in Chromium, and the samples of all pages.
# Without Chromium the chat is skipped, unless TEST_REQUIRE_BROWSER=1. Needs Node.js and npm.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/npm-ci.sh docs/moving
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
TEST_PROGRAM=$program/ignis node --test --test-concurrency=1 --test-reporter=spec docs/moving/*.test.mjs
