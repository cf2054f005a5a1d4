# Targets install the tools that they need besides Go and Node.js.

FUZZTIME ?= 30s
BENCH ?= .
LONG ?=

.PHONY: help test test-extra check fmt fuzz bench memory bench-compare interop setup build mutate sdk ignis-js browser picture examples moving release

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run the tests with the race detector, or with LONG=1 also those that take long; installs what they need, if possible
	@LONG=$(LONG) scripts/test.sh

test-extra: ## run the tests of the other modules except interop, and test cron in every time zone
	@scripts/test.sh extra

check: ## check the formatting, go vet (for three systems), staticcheck, and go.mod files
	@scripts/check.sh

fmt: ## format the code
	@scripts/gofumpt.sh -w

fuzz: ## run each fuzz target for FUZZTIME (default 30s), or a number of times, such as 100000x
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## run the benchmarks that match BENCH (default all)
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

mutate: ## plant N random faults in package PKG, chosen by SEED, and print those that no test detects; flags in ARGS, such as '-p 2'
	cd tools && go run ./mutate -dir .. -n $(or $(N),40) -seed $(or $(SEED),1) $(ARGS) $(or $(PKG),.)

memory: ## check that 3,000 clients that stop reading do not make the server exceed a budget of 1 GiB
	@scripts/memory.sh

bench-compare: setup ## compare with other servers and update bench/RESULTS.md (takes over an hour); flags in ARGS, such as '-only burst -rounds 1'
	cd bench && go run . $(ARGS)

interop: setup ## test against the original Ignis on Bun, and the client in Bun and Deno; needs Node.js and npm
	@command -v node >/dev/null && command -v npm >/dev/null || { \
		echo 'make interop: install Node.js and npm, which are needed to install the original Ignis' >&2; exit 1; }
	cd interop && npm ci --no-audit --no-fund
	cd interop && go test -race -count=1 ./...
	scripts/npm-ci.sh sdk/ts
	cd sdk/ts && npm run --silent test:reference

sdk: ## check and test the client in sdk/ts; needs Node.js and npm
	@scripts/sdk.sh

setup: ## install redis-server and a C compiler, on Debian
	@scripts/setup.sh

browser: ## test the development page and the client in Chromium; installs what is needed, if possible
	@scripts/browser.sh

picture: ## make docs/chat.png and docs/chat.gif from the development page
	@scripts/picture.sh

ignis-js: ## build sdk/ts into the script that the program serves at /ignis.js; needs Node.js and npm
	@scripts/ignis-js.sh

build: ## build the program bin/ignis
	go build -trimpath -buildvcs=auto -o bin/ignis ./cmd/ignis

examples: ## run the examples for browsers in Chromium
	@scripts/examples.sh

moving: ## test the samples in docs/from-*.md, in Chromium if it is installed
	@scripts/moving.sh

release: ## build the files of a release in dist, from the tag of its version; flags in ARGS, such as -snapshot
	@cd release && go run . $(ARGS)
