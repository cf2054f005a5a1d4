#!/usr/bin/env bash
# Runs the tests of the main module and the examples, or with "extra" those that only the
# comparisons with other servers and libraries need, and says what is left out: in the first
# lines, in the last lines, and each skipped test by name.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
"") modules=(. examples) ;;
extra) modules=(bench cron/difftest tools) ;;
*) echo "usage: $0 [extra]" >&2 && exit 2 ;;
esac

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

# Most tests wait most of their time: for processes, for Redis, for a second to pass. So more
# of them run at a time than there are cores. And on a machine that is small or has other
# things to do, a package may take longer before it counts as hung.
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
load=0
[ ! -r /proc/loadavg ] || load=$(cut -d . -f 1 /proc/loadavg)
limit=$((5 * (1 + load / cores)))m
[ "$cores" -ge 2 ] || limit=$((10 * (1 + load)))m

# build compiles all that the tests consist of, before the first of them runs: a compiler
# beside them makes them late.
build() {
	go list $race -test -deps -export ./... >/dev/null
}

# -count=1: whether a test passes depends on programs that the cache of results
# does not know, such as redis-server. -v: for the names of skipped tests.
# -vet=off: make check does more of it.
go_test() {
	go test $race -count=1 -vet=off -p $((2 * cores)) -parallel $((4 * cores)) -timeout="$limit" -v "$@" 2>&1 | brief
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
for module in "${modules[@]}"; do
	echo "=== building the tests of $module"
	(cd "$module" && build) || status=1
done
if [ "${1:-}" = extra ]; then
	(cd bench && go build -trimpath ./servers/...) || status=1 # as the comparison itself does
fi
for module in "${modules[@]}"; do
	(cd "$module" && go_test ./...) || status=1
done
if [ "${1:-}" = extra ]; then
	# Every change of the clocks in every zone: the race detector makes it a sample.
	race=
	go_test -run TestEveryTransition ./cron || status=1
fi
tell
[ $status = 0 ]
