#!/usr/bin/env bash
# Runs all checks other than tests. Continues after a failure, so that one run shows all of
# them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
root=$PWD
status=0

check() { # arguments: a description, then a command that must succeed
	local what=$1
	shift
	echo "check: $what"
	"$@" || { echo "check: FAILED: $what" >&2 && status=1; }
}

formatted() {
	local files
	files=$(scripts/gofumpt.sh -l) || return
	[ -z "$files" ] || { printf '%s\nnot formatted: make fmt\n' "$files" && return 1; }
}

check "gofumpt" formatted
# Nothing else compiles the files for other systems. One of the targets is a 32-bit system.
check "go vet for macOS" env GOOS=darwin GOARCH=arm64 go vet ./...
check "go vet for Windows" env GOOS=windows GOARCH=386 go vet ./...

for mod in $(find . -name node_modules -prune -o -name go.mod -print | sort); do
	dir=$(dirname "$mod")
	cd "$root/$dir" || exit
	check "$dir: go mod tidy" go mod tidy -diff
	check "$dir: go vet" go vet ./...
	check "$dir: staticcheck" go tool -modfile="$root/tools/go.mod" staticcheck ./...
done
[ $status = 0 ]
