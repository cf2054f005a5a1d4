#!/usr/bin/env bash
# Builds the client in sdk/ts as one script, which the program contains and serves at /ignis.js, and
# which the examples in Go serve to their pages. With --check, it only fails if those in the
# repository are not the result of a build.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/npm-ci.sh sdk/ts
(cd sdk/ts && npm run --silent build)
for target in internal/app/sdk/ignis.js examples/ignisjs/ignis.js; do
	if [ "${1:-}" != --check ]; then
		cp sdk/ts/dist/ignis.js $target
	elif ! cmp -s sdk/ts/dist/ignis.js $target; then
		echo "$0: $target is not the result of building sdk/ts: run make ignis-js and commit the file" >&2
		exit 1
	fi
done
