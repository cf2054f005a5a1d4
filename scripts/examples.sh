#!/usr/bin/env bash
# Runs the examples for browsers in Chromium, with the program of this repository. With
# TEST_REQUIRE_BROWSER=1 it fails if there is no Chromium, and otherwise it then only says so. If
# EXAMPLES_PICTURES names a folder, it has pictures of the pages afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/has-browser.sh "examples for browsers" || exit $(($? % 2)) # 0 if they are skipped
scripts/npm-ci.sh sdk/ts examples examples/react examples/node-backend
(cd sdk/ts && npm run --silent build)
sdk/ts/node_modules/.bin/tsc -p examples/react

program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
TEST_PROGRAM=$program/ignis node --test --test-concurrency=1 --test-timeout=300000 --test-reporter=spec \
	examples/browser.test.mjs examples/products.test.mjs
