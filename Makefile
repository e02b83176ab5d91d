# Every target runs from the root of a fresh clone. The root is no module, so
# the modules come from go.work: a module that joins the workspace is tested,
# tidied and checked from then on, with nothing to add here.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help

GO        ?= go
MODULES   := $(shell $(GO) work edit -json | sed -n 's/.*"DiskPath": "\.\/\(.*\)".*/\1/p')
PUBLISHED := $(filter-out examples internal,$(MODULES))
CACHE     := $(CURDIR)/.cache
TESTENV   := $(CACHE)/testenv
LINT      := $(CACHE)/golangci-lint

# Tools that few targets need are built at these versions when they are.
VULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
APIDIFF   := golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e

# Where the library must build: what people run, plus 386 for its 32-bit words.
PLATFORMS := windows/amd64 darwin/arm64 freebsd/amd64 linux/arm64 linux/386

# What qemu emulates: other words, another order of bytes, another memory model.
EMULATED  := arm64 386 s390x

# What to test, and how: make test PKG=./file/... TESTFLAGS='-run Token -count 20'
PKG       ?= work
TESTFLAGS ?=
BENCHTIME ?= 1s

# What to torture, and how long: make torture BACKEND=redis FOR=10m; make scale BACKEND=redis
BACKEND   ?= file postgres redis redlock

# Which fuzz targets to run: make fuzz FUZZ='Keys|Names' BUT=Seal FOR=1000000x
FUZZ      ?=
BUT       ?=

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Tests -------------------------------------------------------------------

.PHONY: test
test: testenv ## Run all tests with the race detector, against real servers (PKG=, TESTFLAGS=)
	$(TESTENV) -- $(GO) test -race -timeout 30m $(TESTFLAGS) $(PKG)

.PHONY: test-local
test-local: ## Run the tests that need no server, on whatever system this is
	$(GO) test -race -timeout 30m $(TESTFLAGS) $(addprefix ./,$(addsuffix /...,$(filter core file distlock distlock/cmd/distlock,$(MODULES))))

.PHONY: test-redlock
test-redlock: testenv ## Run the conformance suite on RedLock in every configuration, or in one (ON=3-up-2-down), and a minute of chaos
	DISTLOCK_TEST_REDLOCK=all $(TESTENV) -- $(GO) test -race -timeout 60m -run 'TestRedLockConformance/$(ON)' $(TESTFLAGS) ./redis
	DISTLOCK_CHAOS=$${DISTLOCK_CHAOS:-60s} $(GO) test -race -timeout 60m -count=1 -run 'TestChaos$$' $(TESTFLAGS) ./internal/redlocktest

.PHONY: matrix
matrix: matrix-postgres matrix-redis ## Run the tests of postgres and redis with every version of the servers that is to be had

.PHONY: matrix-postgres
matrix-postgres: ## Run the PostgreSQL tests against PostgreSQL 13 to 18 (VERSIONS="13 18", TESTFLAGS=)
	VERSIONS="$(VERSIONS)" TESTFLAGS="$(TESTFLAGS)" bash internal/matrix/postgres.sh

.PHONY: matrix-redis
matrix-redis: testenv ## Run the conformance suite with each Redis and Valkey that Debian has, and print a table
	@internal/matrix/redis.sh

.PHONY: bench
bench: testenv ## Run the benchmarks against real servers (PKG=, BENCHTIME=)
	$(TESTENV) -- $(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 30m $(TESTFLAGS) $(PKG)

.PHONY: fuzz
fuzz: FOR ?= 10s
fuzz: testenv ## Run the fuzz targets, each FOR a time or a number of executions, such as 1m or 1000000x (FOR=, FUZZ=, BUT=)
	@$(TESTENV) -- bash internal/fuzz/run.sh $(FOR) '$(FUZZ)' '$(BUT)'

.PHONY: mutants
mutants: ## Plant defects into the engine, one at a time, and fail if the tests do not notice one; internal/mutants/report.txt has the result (half an hour)
	@mkdir -p $(CACHE)
	$(GO) run ./internal/mutants/cmd/mutants -dir core -equivalent internal/mutants/equivalent.txt $(MUTANTFLAGS) \
		./driver ./internal/backoff ./internal/lease ./internal/queue | tee $(CACHE)/mutants.txt
	mv $(CACHE)/mutants.txt internal/mutants/report.txt

.PHONY: chart
chart: testenv ## Run the contests with peers, and draw docs/benchmarks.svg (about 10 minutes, on a quiet machine)
	$(TESTENV) -- bash internal/bench/contests.sh | tee $(CACHE)/bench.txt
	$(GO) run ./internal/bench/cmd/chart docs < $(CACHE)/bench.txt

.PHONY: torture
torture: FOR ?= 1m
torture: ## Kill and stop processes and servers at work, and see whether anybody is misled (BACKEND=, FOR=)
	@$(GO) build -o $(CACHE)/torture ./internal/torture/cmd/torture
	@for b in $(BACKEND); do $(CACHE)/torture -backend $$b -for $(FOR); done

.PHONY: torture-ci
torture-ci: ## Torture each backend until 1000 processes were killed, half of them inside, and so on, which takes a minute or two each; a backend whose servers are in containers is skipped (BACKEND=)
	@$(GO) build -o $(CACHE)/torture ./internal/torture/cmd/torture
	@for b in $(BACKEND); do $(CACHE)/torture -backend $$b -kills 1000 -stops 100 -sessions 50 -for 15m -kill 40ms -stop 400ms -harm 200ms || [ $$? = 3 ]; done

.PHONY: scale
scale: ## Measure many processes and names on one server, and what one more hold and waiter cost (BACKEND=)
	@$(GO) build -o $(CACHE)/scale ./internal/scale/cmd/scale
	@for b in $(BACKEND); do $(CACHE)/scale -backend $$b; echo; done

.PHONY: test-windows
test-windows: ## Run the tests of core, file and the tool as Windows programs under Wine
	bash internal/wine/test.sh core file distlock/cmd/distlock

.PHONY: test-qemu
test-qemu: ## Run the tests of core, file and the keys of the servers on arm64, 386 and s390x, emulated by qemu
	bash internal/qemu/test.sh "$(EMULATED)" ./core/... ./file/...
	TESTFLAGS='-run Key $(TESTFLAGS)' bash internal/qemu/test.sh "$(EMULATED)" ./redis ./postgres

.PHONY: platforms
platforms: cross test-windows test-qemu ## Everything about other systems and processors: builds, Windows under Wine, three processors under qemu

.PHONY: testenv
testenv:
	@$(GO) build -o $(TESTENV) ./internal/testenv/cmd/testenv

# --- Checks ------------------------------------------------------------------

.PHONY: check
check: fmt-check vet lint tidy-check standalone cross repo-check model schedules ## Everything that needs no server: format, lint, tidiness, builds

.PHONY: fmt-check
fmt-check: ## Fail if a file is not formatted by gofmt
	@out=$$(gofmt -l -s $(MODULES)); if [ -n "$$out" ]; then echo "not formatted by gofmt -s:"; echo "$$out"; exit 1; fi
	@echo "gofmt: clean"

.PHONY: vet
vet: ## go vet over the workspace
	$(GO) vet work

.PHONY: lint
lint: install-tools ## golangci-lint over every module, and over the Windows and macOS files
	@bad=0; \
	run() { echo "golangci-lint $$*"; (cd $$1 && shift && env "$$@" $(LINT) run ./...) || bad=1; }; \
	for m in $(MODULES); do run $$m; done; \
	for m in $(filter core file distlock/cmd/distlock,$(MODULES)); do for os in windows darwin; do run $$m CGO_ENABLED=0 GOOS=$$os; done; done; \
	exit $$bad

.PHONY: tidy
tidy: ## Tidy every module
	@# Twice, because a module's requirements follow from those of its siblings.
	@# go mod tidy invents a version for a sibling that it meets for the first time.
	@for pass in 1 2; do \
		for m in $(MODULES); do echo "tidy $$m"; (cd $$m && GOWORK=off $(GO) mod tidy); \
			sed -i.bak 's/ v0.0.0-00010101000000-000000000000/ v0.0.0/' $$m/go.mod && rm $$m/go.mod.bak; done; \
		done
	@cd internal/lint && GOWORK=off $(GO) mod tidy

.PHONY: tidy-check
tidy-check: ## Fail if go mod tidy would change a go.mod or go.sum
	@for m in $(MODULES); do echo "tidy check $$m"; (cd $$m && GOWORK=off $(GO) mod tidy -diff); done

.PHONY: sync-check
sync-check: ## Fail if go work sync would change a go.mod: what is tested is what is required
	@tmp=$$(mktemp -d); trap 'rm -rf $$tmp' EXIT; \
		git ls-files -z -co --exclude-standard | tar -c --null -T - | tar -x -C $$tmp; \
		(cd $$tmp && $(GO) work sync); \
		for m in $(MODULES); do diff -u $$m/go.mod $$tmp/$$m/go.mod || { echo "run make tidy"; exit 1; }; done
	@echo "go work sync: clean"

.PHONY: standalone
standalone: ## Build each published module, and compile its tests, without the workspace
	@for m in $(PUBLISHED); do echo "standalone $$m"; (cd $$m && GOWORK=off $(GO) build ./... && GOWORK=off $(GO) vet ./...); done

.PHONY: cross
cross: ## Build the published modules, and compile their tests, for the other platforms
	@for p in $(PLATFORMS); do echo "platform $$p"; for m in $(PUBLISHED); do \
		(cd $$m && CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./...); done; done

.PHONY: repo-check
repo-check: ## Check the repository itself: licence copies, go.mod files, no path of anybody's machine
	$(GO) test -count=1 ./internal/repo

.PHONY: model
model: ## Search all states of a small RedLock for violations, with each rule and without
	$(GO) test -count=1 ./internal/redlockmodel

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities in what the published modules call (needs the network)
	@GOBIN=$(CACHE) $(GO) install $(VULNCHECK) || { echo "vulncheck: govulncheck could not be had; nothing was checked"; exit 1; }
	@for m in $(PUBLISHED); do echo "vulncheck $$m"; out=$$(cd $$m && $(CACHE)/govulncheck ./... 2>&1) || { echo "$$out"; \
		case $$out in *"fetching vulnerabilities"*) echo "vulncheck: the Go vulnerability database cannot be reached from here; nothing was checked";; esac; \
		exit 1; }; done
	@echo "vulncheck: clean"

.PHONY: apidiff
apidiff: ## Fail if an exported name changed incompatibly since the last release
	@GOBIN=$(CACHE) $(GO) install $(APIDIFF) || { echo "apidiff: the tool could not be had; nothing was compared"; exit 1; }
	@bash internal/release/apidiff.sh $(CACHE)/apidiff $(PUBLISHED)

.PHONY: packaging
packaging: testenv ## Make releases in a temporary clone, and be a stranger who uses them
	$(TESTENV) -- $(GO) test -count=1 -v -timeout 20m $(TESTFLAGS) ./internal/packaging ./internal/release

# --- Release -----------------------------------------------------------------

# CONTRIBUTING.md says how a release is made; none of these pushes anything.
.PHONY: release
release: ## Say what a release would do (VERSION=v0.2.0); YES=1 makes its commit and tags here
	$(GO) run ./internal/release/cmd/release -version "$(VERSION)" $(if $(YES),-yes)

.PHONY: release-verify
release-verify: ## Fail unless the tags of a release are all there and right (VERSION=)
	@$(GO) run ./internal/release/cmd/release -version "$(VERSION)" -verify

.PHONY: release-notes
release-notes: ## Print what the changelog says of a release (VERSION=)
	@$(GO) run ./internal/release/cmd/release -version "$(VERSION)" -notes

.PHONY: schedules
schedules: ## Run 15000 seeded schedules of faults for each primitive, in virtual time, and check their histories (SCHEDULES=, SEED=)
	$(GO) test -count=1 -timeout 40m ./internal/schedules -args $(if $(SCHEDULES),-schedules $(SCHEDULES)) $(if $(SEED),-seed $(SEED))

# --- Tools -------------------------------------------------------------------

.PHONY: install-tools
install-tools: $(LINT) ## Build the pinned linter into .cache (once, about two minutes)

$(LINT): internal/lint/go.mod internal/lint/go.sum
	@echo "building golangci-lint"
	@cd internal/lint && GOWORK=off $(GO) build -trimpath -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: clean
clean: ## Remove what the targets built
	rm -rf $(CACHE)
