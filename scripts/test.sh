#!/usr/bin/env bash
# Runs the tests of the main module and otelignis, or with "extra" those of all other modules except
# interop. Tests that take long run only if LONG is set. Reports what cannot be tested at the beginning
# and at the end, and each skipped test by name.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
"") modules=(. otelignis) ;;
extra) modules=(acmetest bench cron/difftest deploy/composetest deploy/kubernetes/kubetest examples release tools) ;;
*) echo "usage: $0 [extra]" >&2 && exit 2 ;;
esac

scripts/setup.sh || true # the notes below report what is still missing

notes=()
if ! command -v redis-server >/dev/null; then
	if [ "${TEST_REQUIRE_REDIS:-}" = 1 ]; then
		notes+=("redis-server is missing and TEST_REQUIRE_REDIS=1, so tests that need it FAIL")
	else
		notes+=("redis-server is missing, so tests use an embedded server, and those that need a real one are SKIPPED")
	fi
fi
for program in javac node openssl php python3 ruby xxd; do
	if ! command -v "$program" >/dev/null; then
		if [ "${TEST_REQUIRE_LANGUAGES:-}" = 1 ]; then
			notes+=("$program is missing and TEST_REQUIRE_LANGUAGES=1, so tests that need it FAIL")
		else
			notes+=("$program is missing, so tests that need it are SKIPPED")
		fi
	fi
done
for program in nginx haproxy caddy; do
	if ! PATH=$PATH:/usr/sbin command -v "$program" >/dev/null; then
		if [ "${TEST_REQUIRE_PROXIES:-}" = 1 ]; then
			notes+=("$program is missing and TEST_REQUIRE_PROXIES=1, so tests that need it FAIL")
		else
			notes+=("$program is missing, so tests that need it are SKIPPED")
		fi
	fi
done
if ! command -v promtool >/dev/null; then
	if [ "${TEST_REQUIRE_PROMTOOL:-}" = 1 ]; then
		notes+=("promtool is missing and TEST_REQUIRE_PROMTOOL=1, so tests that need it FAIL")
	else
		notes+=("promtool is missing, so tests that need it are SKIPPED")
	fi
fi
race=-race
export GORACE=${GORACE:-atexit_sleep_ms=0} # do not wait for a second at the end of each test program
if [ "$(go env CGO_ENABLED)" != 1 ]; then
	race=
	notes+=("there is no C compiler, so the race detector is OFF")
fi

short=
[ "${1:-}${LONG:-}" != "" ] || short=-short

print_notes() {
	[ ${#notes[@]} = 0 ] || printf '=== NOTE: %s\n' "${notes[@]}"
}
print_notes

# Most tests spend most of their time waiting for processes, for Redis or for time to pass, so
# more of them run concurrently than there are cores. If the machine is small or busy, packages
# get more time before they count as hung.
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
load=0
[ ! -r /proc/loadavg ] || load=$(cut -d . -f 1 /proc/loadavg)
limit=$((5 * (1 + load / cores)))m
[ "$cores" -ge 2 ] || limit=$((10 * (1 + load)))m

# build compiles everything before the first test runs, because compilers would slow the tests
# down.
build() {
	go list $race -test -deps -export ./... >/dev/null
}

# -count=1: results must not be cached, because they depend on programs such as redis-server.
# -v: prints the names of skipped tests. -vet=off: make check runs go vet with more checks.
go_test() {
	go test $race $short -count=1 -vet=off -p $((2 * cores)) -parallel $((4 * cores)) -timeout="$limit" -v "$@" 2>&1 | brief
}

# brief reduces the output of a passing package to its result and its skipped tests, except those
# that take long, and removes the passing tests from that of a failing package.
brief() {
	awk '
		/^=== |^ *--- PASS|^PASS$|\[no test files\]$/ { next }
		/: make test LONG=1 runs this test$/ { long = 1; next }
		/^ *--- SKIP/ && long { long = 0; next }
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
	(cd bench && go build -trimpath ./servers/...) || status=1 # with the flags that bench uses
fi
for module in "${modules[@]}"; do
	# The packages that take longest begin first, so that nothing waits for them at the end.
	first=()
	[ "$module" != . ] || first=(./redisbus ./internal/ws ./cmd/ignis .)
	(cd "$module" && go_test "${first[@]}" ./...) || status=1
done
if [ "${1:-}" = extra ]; then
	# Test every clock change in every zone. With the race detector, the test covers only a sample.
	race=
	go_test -run TestEveryTransition ./cron || status=1
fi
print_notes
[ $status = 0 ]
