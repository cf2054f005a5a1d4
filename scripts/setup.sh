#!/usr/bin/env bash
# Installs what the tests need besides Go, if this is possible without a password:
# redis-server, a C compiler for the race detector, and the programs with which the tests run
# what is in docs/tokens.md and docs/send.md; with TEST_REQUIRE_LANGUAGES=1 also Java, which is large.
# With TEST_REQUIRE_PROXIES=1 also nginx, haproxy and caddy, and with
# TEST_REQUIRE_PROMTOOL=1 also prometheus; not by default, because the packages start servers. With
# TEST_REQUIRE_SYSTEMD=1 also systemd, with TEST_REQUIRE_NAMESPACES=1 also iproute2, and with
# TEST_REQUIRE_BROWSER=1 also npm and chromium, which is large. Exits with 0 if all are installed.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
PATH=$PATH:/usr/sbin # of nginx and haproxy; not everyone has it
if [ "${TEST_REQUIRE_PROXIES:-}" = 1 ]; then
	for program in nginx haproxy caddy; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
fi
if [ "${TEST_REQUIRE_PROMTOOL:-}" = 1 ]; then
	command -v promtool >/dev/null || missing+=(prometheus)
fi
if [ "${TEST_REQUIRE_BROWSER:-}" = 1 ]; then
	command -v npm >/dev/null || missing+=(npm)
	[ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome >/dev/null || missing+=(chromium)
fi
if [ "${TEST_REQUIRE_SYSTEMD:-}" = 1 ]; then
	command -v systemd-analyze >/dev/null || missing+=(systemd)
fi
if [ "${TEST_REQUIRE_NAMESPACES:-}" = 1 ]; then
	command -v ip >/dev/null || missing+=(iproute2)
fi
# Go disables cgo automatically if there is no C compiler.
[ "$(go env CGO_ENABLED)" = 1 ] || missing+=(gcc libc6-dev)
for program in openssl xxd; do
	command -v "$program" >/dev/null || missing+=("$program")
done
command -v node >/dev/null || missing+=(nodejs)
command -v php >/dev/null || missing+=(php-cli)
python3 -c 'import cryptography' 2>/dev/null || /usr/bin/python3 -c 'import cryptography' 2>/dev/null ||
	missing+=(python3 python3-cryptography)
command -v ruby >/dev/null || missing+=(ruby)
# Clients of Redis, where the tests look for them.
python3 -c 'import redis' 2>/dev/null || /usr/bin/python3 -c 'import redis' 2>/dev/null || missing+=(python3-redis)
php -r 'exit(class_exists("Redis") ? 0 : 1);' 2>/dev/null || missing+=(php-redis)
ruby -e 'require "redis"' 2>/dev/null || missing+=(ruby-redis)
[ -d /usr/share/nodejs/redis ] || missing+=(node-redis)
if [ "${TEST_REQUIRE_LANGUAGES:-}" = 1 ]; then
	command -v javac >/dev/null || missing+=(default-jdk-headless)
fi
[ ${#missing[@]} -gt 0 ] || exit 0

cannot() {
	echo "setup: missing ${missing[*]}; $1" >&2
	exit 1
}

[ -e /etc/debian_version ] || cannot "this script can install them only on Debian"
as_root=()
if [ "$(id -u)" != 0 ]; then
	sudo -n true 2>/dev/null || cannot "run sudo apt-get install ${missing[*]}"
	as_root=(sudo -n)
fi

echo "setup: installing ${missing[*]} with apt-get"
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	cannot "apt-get failed"
fi
