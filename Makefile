# make run   builds and starts the whole product on this machine
# make test  everything that decides whether a change is good
# make check the long form: full simulations, fuzzing, the big numbers

SHELL := /bin/bash
export CGO_ENABLED := 0
export GOFLAGS := -trimpath
.DELETE_ON_ERROR:

# DATA=FILE loads that file instead of the sample, into a data directory of its own.
DATA ?=
ADDR ?= 127.0.0.1:8080
ifeq ($(DATA),)
up := --data .assay/sample --sample
else
up := --data .assay/$(basename $(notdir $(patsubst %/,%,$(dir $(DATA))))) --load $(DATA) --hold
endif

.PHONY: run test check fuzz conformance build assets generate generated format

run: build
	@.ci/install postgresql
	@exec build/assay up $(up) --addr $(ADDR)

build: assets
	@go build -o build/assay ./cmd/assay

# npm ci reinstalls everything each time, so a stamp of the lock file guards it.
build/npm.stamp: package-lock.json package.json .npmrc
	@.ci/install go node npm
	@mkdir -p build
	@echo "assay: fetching engines and assets pinned by package-lock.json" >&2
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@test -s node_modules/@chdb/lib-linux-x64-gnu/libchdb.so || \
		echo "assay: no embedded ClickHouse for this platform; point ASSAY_CLICKHOUSE_URL at a server" >&2
	@touch $@

build/assets.stamp: build/npm.stamp go.sum $(wildcard static/*.mjs static/*.js static/*.css static/marks/*)
	@node static/build.mjs
	@touch $@

assets: build/assets.stamp

generate:
	@go run github.com/a-h/templ/cmd/templ generate -path web

# The committed templates are what the generator makes of the sources; the
# name of the source it writes into them depends on where it was called.
generated: assets
	@go run github.com/a-h/templ/cmd/templ generate -path web >/dev/null 2>&1
	@changed="$$(git diff -I 'FileName: ' --stat -- '*_templ.go')"; test -z "$$changed" || \
		{ echo "$$changed"; echo "assay: run make generate and commit" >&2; exit 1; }

format:
	@test -z "$$(gofmt -l cmd eval internal jobs labeling migrations static telemetry validators web)" || \
		{ gofmt -l cmd eval internal jobs labeling migrations static telemetry validators web; echo "assay: run gofmt -w on these" >&2; exit 1; }

test: assets
	@.ci/install postgresql chromium bubblewrap
	@$(MAKE) --no-print-directory format generated
	@go vet ./...
	@go test -timeout 20m ./...

# The long form of every test that has one: they know the flag -full.
long = $(shell grep -rlF '"full", false' --include=*_test.go --exclude-dir=node_modules . | xargs -n1 dirname | sort -u)

# What the product asks of a ClickHouse through its client, asked of the
# embedded engine, or of another: make conformance DSN=http://user:password@host:8123
conformance: assets
	@ASSAY_TEST_CLICKHOUSE_URL="$(DSN)" go test -count=1 -v ./internal/clickhouse ./internal/embedded/engine

check: test
	@go test -timeout 120m -count=1 $(long) -args -full

# Every fuzz target for FUZZTIME, one after the other; it ends at a finding.
FUZZTIME ?= 1m
fuzz: assets
	@grep -rHoE --include=*_test.go --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9]+' . | sed 's/func //' | sort | \
	while IFS=: read -r file name; do \
		echo "$$name in $$(dirname $$file)"; \
		go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$(dirname $$file)" || exit 1; \
	done
