#!/usr/bin/env bash
# Builds ignis and rolls a fleet of three servers behind HAProxy, with 300 clients or as the flags
# say: ./roll.sh --clients 5000
set -euo pipefail
cd "$(dirname "$0")"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
(cd ../.. && go build -o "$build/ignis" ./cmd/ignis)
go build -o "$build/rolling" .
"$build/rolling" --ignis "$build/ignis" "$@"
