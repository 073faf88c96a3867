# Beltline. `make` alone lists the targets. Everything runs with Go, make, git
# and bash; the network is used only to fetch modules.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
TIMEOUT  ?= 600s
# Most tests wait for timers and leases rather than for the processor, so more of
# them run side by side than there are cores.
PARALLEL ?= 8
FUZZTIME ?= 10s
BENCH    ?=
HOLD     ?=
# The packages in which a data race could buy twice or lose an order. They are
# filtered by what exists, so that a fresh checkout of any age can run this.
CORE := $(foreach d,internal/order internal/ledger internal/worker internal/dispatcher \
	internal/queue internal/ratelimit internal/providerhttp internal/app pkg/money pkg/messages pkg/providers,\
	$(if $(wildcard $(d)/*.go),./$(d)/...))
COMMANDS := $(patsubst cmd/%/,%,$(dir $(wildcard cmd/*/main.go)))

# Without -buildvcs the commit would be unknown to --version; pass it by hand.
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
APP     := github.com/beltline-io/beltline/internal/app
LDFLAGS := -s -w -X $(APP).version=$(VERSION) -X $(APP).commit=$(COMMIT)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## run everything in one process against fake providers
	$(GO) run ./cmd/beltline demo

.PHONY: test
test: ## run all tests, and say in one line how it went
	@out=$$(mktemp); trap 'rm -f "$$out"' EXIT; \
	code=0; $(GO) test -timeout $(TIMEOUT) -parallel $(PARALLEL) ./... 2>&1 | tee "$$out" || code=$$?; \
	awk -v code=$$code '$$1 == "ok" {ok++} $$1 == "FAIL" && $$2 ~ /\// {bad++} /no test files/ {none++} \
		END {printf "\n%s: %d packages passed, %d failed, %d without tests\n", code ? "FAILED" : "PASSED", ok, bad, none}' "$$out"; \
	exit $$code

.PHONY: race
race: ## run the core packages under the race detector
	$(GO) test -race -timeout $(TIMEOUT) -parallel $(PARALLEL) $(CORE)

.PHONY: lint
lint: ## vet, gofmt, staticcheck, gosec and go mod tidy
	$(GO) vet ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	$(GO) tool -modfile=tools/go.mod gosec -quiet -exclude=G304 -exclude-dir=test ./... # every path is the operator's own word
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff

# -count=1, because what is cached does not depend on files of another module.
.PHONY: alerts
alerts: ## evaluate the alert rules on made-up series (fetches Prometheus' engine)
	cd test/observability/promql && $(GO) test -count=1 ./...

.PHONY: check
check: lint test race alerts ## everything that must hold before a merge

.PHONY: bench
bench: ## the pipeline beside a bare JetStream loop (BENCH="--mode one-always --rounds 1")
	$(GO) run ./cmd/beltline bench $(BENCH)

# PROFILE="--kind deposit" adds to it; the files are for `go tool pprof`.
PROFILE ?=
.PHONY: profile
profile: ## CPU and allocation profiles of the programs under the bench's load, by package (PROFILE="--mode one-default")
	$(GO) run ./cmd/beltline bench --profile .beltline/profile $(if $(findstring --mode,$(PROFILE)),,--mode one-always) $(PROFILE)

.PHONY: bench-hold
bench-hold: ## what orders on hold cost, beside an empty system (HOLD="-orders 10000 -sync default")
	$(GO) run ./test/hold $(HOLD)

# SCALE="-orders 20000" takes some minutes and 300 MB, and shows less.
SCALE ?=
.PHONY: bench-scale
bench-scale: ## a million orders that have ended, and a million on hold, beside an empty system; 13 GB (SCALE="-orders 200000")
	$(GO) run ./test/scale $(SCALE)

# LIMIT=-quick takes about three minutes, LIMIT="-only 'killed'" some of the cases.
LIMIT ?=
.PHONY: bench-limit
bench-limit: ## the rate limit over real workers, every fault and 20,000 waiting orders (LIMIT=-quick)
	$(GO) run ./test/limit $(LIMIT)

# RESTART="-rate 30 -rounds 2" is for a slow machine.
RESTART ?=
.PHONY: bench-restart
bench-restart: ## restart every program under load; fails where orders notice it, or take over 3 times as long (RESTART="-rate 30")
	$(GO) run ./test/lifecycle $(RESTART)

.PHONY: microbench
microbench: ## the Go benchmarks of the packages
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Each run has a seed and a store of its own; SEED= repeats one.
SEEDS ?= 2
CRASH ?=
.PHONY: crash
crash: ## kill everything by seed on one server and on three nodes, for about 13 minutes (SEEDS=, SEED=, CRASH="-orders 9000")
	@mkdir -p .beltline
	$(GO) run ./test/crash -control -runs $(SEEDS) $(if $(SEED),-seed $(SEED)) -for 3m -orders 5000 -rate 5 -results .beltline/crash.jsonl $(CRASH)
	$(GO) run ./test/crash -nodes 3 $(if $(SEED),-seed $(SEED)) -for 3m -orders 2000 -results .beltline/crash.jsonl $(CRASH)

.PHONY: crash-sum
crash-sum: ## add up the results of all runs on this machine, with what none in so many deaths shows
	$(GO) run ./test/crash -sum .beltline/crash.jsonl

# Each trial has a seed and a store of its own. TRIALS=, STORAGE="-only rolled".
TRIALS ?= 224
STORAGE ?=
.PHONY: crash-storage
crash-storage: ## spoil the server's store by seed, about 10 minutes (TRIALS=, STORAGE="-seed 17 -only rolled")
	@mkdir -p .beltline
	$(GO) run ./test/crash/storage -trials $(TRIALS) -control 8 -results .beltline/storage.jsonl $(STORAGE)

# KILLS=3000 goes on for longer.
KILLS ?= 300
.PHONY: kills
kills: ## kill one server after the other, and leaders among three, under writers of the ledger (KILLS=)
	@mkdir -p .beltline
	$(GO) run -tags failpoint ./test/crash/kills -kills $(KILLS) -results .beltline/crash.jsonl
	$(GO) run -tags failpoint ./test/crash/kills -nodes 3 -store 25 -kills $$(( ($(KILLS) + 5) / 6 )) -results .beltline/crash.jsonl

# POINTS=ledger.append tries some.
POINTS ?=
.PHONY: directed
directed: ## let processes die at each point in their code, one by one (POINTS=ledger)
	@mkdir -p .beltline
	$(GO) run ./test/crash -directed -quiet 1s -results .beltline/crash.jsonl -points "$(POINTS)"

# Each run has a seed and a store of its own. SWARM="-each 1" changes
# the mixture, SWARM_RUNS= goes on for longer.
SWARM_RUNS ?= 3
SWARM ?=
.PHONY: swarm
swarm: ## let workers die by the thousand inside one process (SWARM_RUNS=, SWARM="-orders 50000", GROUPCOMMIT=eager)
	@mkdir -p .beltline
	$(GO) run -tags failpoint ./test/crash/swarm -control -runs $(SWARM_RUNS) -results .beltline/crash.jsonl $(SWARM)

# MUTANTS=M7,M21 runs some.
MUTANTS ?= all
.PHONY: mutants
mutants: ## break the pipeline in every way of internal/mutant, and fail where nobody notices (MUTANTS=M7)
	$(GO) run ./test/crash -mutants $(MUTANTS) -sound

.PHONY: build
build: ## build every program into bin/
	@mkdir -p bin
	@for c in $(COMMANDS); do echo "bin/$$c"; CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/$$c ./cmd/$$c; done

.PHONY: generate
generate: ## write the generated files anew (schemas, diagrams)
	$(GO) generate ./...

.PHONY: tidy
tidy: ## tidy both modules
	$(GO) mod tidy
	cd tools && $(GO) mod tidy

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s)
	@grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | while read -r file; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$$file"); do \
			echo "== $$target ($$(dirname "$$file"))"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
		done; \
	done
