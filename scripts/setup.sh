#!/usr/bin/env bash
# Installs what the tests need beside Go, where that can be done without asking:
# redis-server, and the C compiler that the race detector is linked with.
# Exits with 0 when both are there.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
# Without a C compiler Go turns cgo off by itself.
[ "$(go env CGO_ENABLED)" = 1 ] || missing+=(gcc libc6-dev)
[ ${#missing[@]} -gt 0 ] || exit 0

cannot() {
	echo "set-up: ${missing[*]} missing, and $1" >&2
	exit 1
}

[ -e /etc/debian_version ] || cannot "only on Debian can this script install them"
as_root=()
if [ "$(id -u)" != 0 ]; then
	sudo -n true 2>/dev/null || cannot "installing needs root: sudo apt-get install ${missing[*]}"
	as_root=(sudo -n)
fi

echo "set-up: installing ${missing[*]} with apt-get"
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	cannot "apt-get failed"
fi
