#!/usr/bin/env bash
# Runs the tests of the main module, the examples and the comparisons, and says what is left
# out: in the first lines, in the last lines, and each skipped test by name.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh || true # what is still missing is told below

notes=()
if ! command -v redis-server >/dev/null; then
	if [ "${IGNIS_REQUIRE_REDIS:-}" = 1 ]; then
		notes+=("redis-server is missing, and IGNIS_REQUIRE_REDIS=1: tests that need it FAIL")
	else
		notes+=("redis-server is missing: tests use an embedded one, and those that need a real one are SKIPPED")
	fi
fi
race=-race
if [ "$(go env CGO_ENABLED)" != 1 ]; then
	race=
	notes+=("no C compiler: the race detector is OFF")
fi

tell() {
	[ ${#notes[@]} = 0 ] || printf '=== NOTE: %s\n' "${notes[@]}"
}
tell

# -count=1: whether a test passes depends on programs that the cache of results
# does not know, such as redis-server. -v: for the names of skipped tests.
go_test() {
	go test $race -count=1 -timeout=4m -v ./... 2>&1 | brief
}

# brief leaves of a passing package its line and its skipped tests, and of a
# failing one all but its passing tests.
brief() {
	awk '
		/^=== |^ *--- PASS|^PASS$|\[no test files\]$/ { next }
		/^ *--- SKIP/ { skipped = skipped "    skipped: " $3 "\n" }
		/^ok  \t/ { printf "%s\n%s", $0, skipped; text = skipped = ""; next }
		{ text = text $0 "\n" }
		/^FAIL/ { printf "%s", text; text = skipped = "" }
		END { printf "%s", text }'
}

status=0
go_test || status=1
# Every change of the clocks in every zone: the race detector makes it a sample.
go test -count=1 -run TestEveryTransition ./cron || status=1
for mod in $(find examples bench cron -name node_modules -prune -o -name go.mod -print | sort); do
	(cd "$(dirname "$mod")" && go_test) || status=1
done
tell
[ $status = 0 ]
