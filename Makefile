# The tools that this needs beside Go are installed by the targets that need them.

FUZZTIME ?= 30s
BENCH ?= .

.PHONY: help test test-extra check fmt fuzz bench bench-compare interop setup build mutate

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run the tests with the race detector; installs what they need where it can
	@scripts/test.sh

test-extra: ## run the tests of the comparisons (bench, cron/difftest), and cron in every zone
	@scripts/test.sh extra

check: ## formatting, vet (on three systems), staticcheck, tidy modules
	@scripts/check.sh

fmt: ## format the code
	@scripts/gofumpt.sh -w

fuzz: ## run each fuzz target for FUZZTIME (30s; or a count, such as 100000x)
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## run the benchmarks that match BENCH (all)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

mutate: ## plant N random faults of SEED in PKG, and name those that no test notices; ARGS='-p 2 -match file.go'
	cd tools && go run ./mutate -dir .. -n $(or $(N),40) -seed $(or $(SEED),1) $(ARGS) $(or $(PKG),.)

bench-compare: setup ## compare with other servers (over an hour, two cores): bench/RESULTS.md; ARGS='-only burst -rounds 1' for less
	cd bench && go run . $(ARGS)

interop: setup ## test against the original on Bun; needs Node.js and npm
	@command -v node >/dev/null && command -v npm >/dev/null || { \
		echo 'make interop: Node.js and npm are needed, to install the original implementation' >&2; exit 1; }
	cd interop && npm ci --no-audit --no-fund
	cd interop && go test -race -count=1 ./...

setup: ## install redis-server and a C compiler (Debian)
	@scripts/setup.sh

build: ## build the program: bin/ignis
	go build -trimpath -o bin/ignis ./cmd/ignis
