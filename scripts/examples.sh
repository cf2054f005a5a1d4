#!/usr/bin/env bash
# Runs the examples for browsers in Chromium, with the program of this repository. With
# TEST_REQUIRE_BROWSER=1 it fails if there is no Chromium, and otherwise it then only says so.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
command -v npm >/dev/null || missing="npm is missing"
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || missing="Chromium is missing"
if [ -n "$missing" ]; then
	[ "${TEST_REQUIRE_BROWSER:-}" != 1 ] || { echo "=== $missing and TEST_REQUIRE_BROWSER=1" >&2; exit 1; }
	echo "=== NOTE: $missing, so the examples for browsers are SKIPPED"
	exit 0
fi

# installed succeeds if the packages of a folder are those of its lock file.
installed() {
	[ -e "$1/node_modules/.package-lock.json" ] && [ ! "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]
}

for folder in sdk/ts examples/react examples/node-backend; do
	installed $folder || (cd $folder && npm ci --no-audit --no-fund --loglevel error)
done
(cd sdk/ts && npm run --silent build)
sdk/ts/node_modules/.bin/tsc -p examples/react

program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
TEST_PROGRAM=$program/ignis node --test --test-concurrency=1 --test-reporter=spec examples/browser.test.mjs
