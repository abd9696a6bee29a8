# The commands of this project. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

CARGO ?= cargo
# How long `make fuzz` runs each target.
FUZZ_SECONDS ?= 60
# The triple that `make helm-plugin` builds for; empty means this machine's own.
TARGET ?=

tools := tests/tools/tools.sh
helms := helm3 helm4 helm-unittest
# Paths of the programs that the lines which follow need into their environment: $(with_helms), or all.
with_helms = tools_env="$$($(tools) env $(helms))"; eval "$$tools_env"
with_tools = tools_env="$$($(tools) env)"; eval "$$tools_env"
plugin := deploy/helm-plugin

.PHONY: help
help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: need-cargo
need-cargo:
	@command -v $(CARGO) >/dev/null || { echo "error: Rust is missing: install rustup, which takes the version from rust-toolchain.toml, and run this again; only \`make tools\` works without it" >&2; exit 1; }

##@ Every day

.PHONY: check
check: need-cargo ## Format, lints and the tests that need no other program; under a minute when warm
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	@# Not among "all targets", so that a bare `cargo test` needs no Helm and no cluster.
	$(CARGO) clippy --test helm --test cluster -- -D warnings
	$(CARGO) check --lib --no-default-features
	$(CARGO) test

.PHONY: test
test: need-cargo ## Everything: check, then the tests with real Helm 3 and Helm 4, and on a control plane; what CI runs
	@echo "make test: about 5 minutes, and about 25 the first time (2 cores), when the crates are compiled and these programs got:"
	@$(tools) plan
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory test-helm
	@$(MAKE) --no-print-directory test-cluster

.PHONY: test-helm
test-helm: need-cargo ## The charts and the tests with real Helm 3 and Helm 4 alone
	@$(with_helms); set -x; $(CARGO) test --test helm

.PHONY: test-cluster
test-cluster: need-cargo ## The tests on a real control plane alone: API server, controllers, five simulated nodes
	@$(with_tools); set -x; $(CARGO) test --test cluster

.PHONY: cluster
cluster: need-cargo ## The same control plane for you to try things on, until Ctrl-C takes it away
	@# Not through cargo, which would not wait for what Ctrl-C takes away.
	@$(with_tools); \
	suite=$$($(CARGO) test --quiet --test cluster --no-run --message-format=json-render-diagnostics | sed -n '/"name":"cluster"/s/.*"executable":"\([^"]*\)".*/\1/p'); \
	exec "$$suite" play

.PHONY: demo
demo: need-cargo ## Show the main job on this machine: needs Rust, nothing else
	@tests/demo.sh

##@ What tests need

.PHONY: tools
tools: ## Get Helm 3 and 4, helm-unittest, Kubernetes, etcd and kwok in pinned versions: from PATH, the cache, or Go (15 min, 8 GB)
	@$(tools) build
	@$(tools) plan

.PHONY: tools-env
tools-env: ## Print where they are: eval "$(make -s tools-env)"
	@$(tools) env

##@ Files that are made

.PHONY: bless
bless: need-cargo ## Rewrite the golden files from what the code gives now; read the diff before you commit it
	BLESS=1 $(CARGO) test --test it
	@$(with_helms); set -x; BLESS=1 $(CARGO) test --test helm

.PHONY: generate
generate: need-cargo ## Rewrite the files that are generated from the code: tables, schema, chart files, plugin pages, install.yaml
	BLESS=1 $(CARGO) test --test it generated
	@$(with_tools); set -x; BLESS=1 $(CARGO) test --test helm generated

.PHONY: helm-plugin
helm-plugin: need-cargo ## Build the Helm 4 plugin into deploy/helm-plugin/bin (TARGET=<triple> for another machine)
	@deploy/helm-plugin/build.sh $(TARGET)

##@ Now and then

.PHONY: bench
bench: need-cargo ## Benchmarks, about 10 minutes and as long again to compile; nothing is asserted
	@peer=$$(benches/peer/build.sh); set -x; WEBHOOK_PEER="$$peer" $(CARGO) bench

.PHONY: bench-webhook
bench-webhook: need-cargo ## The server alone, beside a bare echo and a webhook in Go; about 3 minutes when built
	@peer=$$(benches/peer/build.sh); set -x; WEBHOOK_PEER="$$peer" $(CARGO) bench --bench webhook

.PHONY: fuzz
fuzz: need-cargo ## Run each fuzz target for FUZZ_SECONDS (60); needs a nightly toolchain and cargo-fuzz
	@$(CARGO) +nightly fuzz --version >/dev/null 2>&1 || { echo "error: make fuzz needs a nightly toolchain and cargo-fuzz: rustup toolchain install nightly, then cargo install cargo-fuzz" >&2; exit 1; }
	@for target in $$($(CARGO) +nightly fuzz list); do \
		echo "fuzz: $$target for $(FUZZ_SECONDS) s"; \
		$(CARGO) +nightly fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096; \
	done

.PHONY: clean
clean: need-cargo ## Remove what was built here; the programs in the cache stay
	$(CARGO) clean
	rm -rf $(plugin)/bin
