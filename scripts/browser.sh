#!/usr/bin/env bash
# Tests the development page and the client for browsers in Chromium. With TEST_REQUIRE_BROWSER=1
# it fails if there is no Chromium, and otherwise it then only says so. Pictures of the page
# are in browser/run afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

TEST_REQUIRE_BROWSER=1 scripts/setup.sh || true # what is missing is reported below
missing=
command -v npm >/dev/null || missing="npm is missing"
[ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null || missing="Chromium is missing"
if [ -n "$missing" ]; then
	[ "${TEST_REQUIRE_BROWSER:-}" != 1 ] || { echo "=== $missing and TEST_REQUIRE_BROWSER=1" >&2; exit 1; }
	echo "=== NOTE: $missing, so the tests in a browser are SKIPPED"
	exit 0
fi

scripts/ignis-js.sh --check # the tests are about this file
rm -rf browser/run
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go build -o "$program/ignis" ./cmd/ignis
cd browser
[ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] ||
	npm ci --no-audit --no-fund --loglevel error
# One Chromium at a time: it uses all cores.
TEST_PROGRAM=$program/ignis node --test --test-concurrency=1 --test-reporter=spec "$@" test/*.test.mjs
