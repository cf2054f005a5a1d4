#!/usr/bin/env bash
# Builds the client in sdk/ts as one script, which the program contains and serves at /ignis.js.
# With --check, it only fails if the one in the repository is not the result of a build.
set -euo pipefail
cd "$(dirname "$0")/.."
target=internal/app/sdk/ignis.js

command -v npm >/dev/null || { echo "$0: install Node.js and npm" >&2; exit 1; }
cd sdk/ts
[ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] ||
	npm ci --no-audit --no-fund --loglevel error
npm run --silent build
cd ../..
if [ "${1:-}" != --check ]; then
	cp sdk/ts/dist/ignis.js $target
elif ! cmp -s sdk/ts/dist/ignis.js $target; then
	echo "$0: $target is not the result of building sdk/ts: run make ignis-js and commit the file" >&2
	exit 1
fi
