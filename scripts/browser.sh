#!/usr/bin/env bash
# Tests the development page and the client for browsers in Chromium. With TEST_REQUIRE_BROWSER=1
# it fails if there is no Chromium, and otherwise it then only says so. Pictures of the page
# are in browser/run afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

TEST_REQUIRE_BROWSER=1 scripts/setup.sh || true # what is missing is reported below
scripts/has-browser.sh "tests in a browser" || exit $(($? % 2)) # 0 if they are skipped

scripts/ignis-js.sh --check # the tests are about this file
rm -rf browser/run
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
scripts/npm-ci.sh browser
cd browser
# One Chromium at a time: it uses all cores.
TEST_PROGRAM=$program/ignis node --test --test-concurrency=1 --test-reporter=spec "$@" test/*.test.mjs
