#!/usr/bin/env bash
# Checks the client in sdk/ts: its size, its package and types, its tests with the real server, and
# the rules of sdk/SPEC.md. Needs Node.js and npm.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/npm-ci.sh sdk/ts
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
cd sdk/ts
npm run --silent check
npm run --silent size
SERVER_BINARY=$program/ignis npm test --silent
"$program/ignis" sdktest --attempts 3 -- node test/driver.mjs | grep -v '^ok [^(]*$'
