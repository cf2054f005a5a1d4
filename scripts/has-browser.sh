#!/usr/bin/env bash
# Exits with 0 if npm and Chromium are there. Otherwise it says that the tests with this name are
# skipped and exits with 2, or, with TEST_REQUIRE_BROWSER=1, with 1.
set -euo pipefail

missing=
command -v npm >/dev/null || missing="npm is missing"
[ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null || missing="Chromium is missing"
[ -n "$missing" ] || exit 0
[ "${TEST_REQUIRE_BROWSER:-}" != 1 ] || { echo "=== $missing and TEST_REQUIRE_BROWSER=1" >&2; exit 1; }
echo "=== NOTE: $missing, so the $1 are SKIPPED"
exit 2
