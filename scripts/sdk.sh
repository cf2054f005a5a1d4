#!/usr/bin/env bash
# Checks the client in sdk/ts: its size, its package and types, its tests with the real server, and
# the rules of sdk/SPEC.md. Needs Node.js and npm.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v npm >/dev/null || { echo "$0: install Node.js and npm" >&2; exit 1; }
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
cd sdk/ts
[ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] ||
	npm ci --no-audit --no-fund --loglevel error
npm run --silent check
npm run --silent size
SERVER_BINARY=$program/ignis npm test --silent
"$program/ignis" sdktest -- node test/driver.mjs | grep -v '^ok '
