#!/usr/bin/env bash
# Installs the npm packages of folders, unless what is installed is as new as their lock files.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v npm >/dev/null || { echo "$0: install Node.js and npm" >&2; exit 1; }
for folder in "$@"; do
	if [ ! -e "$folder/node_modules/.package-lock.json" ] || [ "$folder/package-lock.json" -nt "$folder/node_modules/.package-lock.json" ]; then
		(cd "$folder" && npm ci --no-audit --no-fund --loglevel error)
	fi
done
