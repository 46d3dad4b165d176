# Wicketgate: the two commands of the README, and their parts. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo

.PHONY: help demo kube-demo kube-down test deps fmt clippy unit chart e2e generate images testbed testbed-down bench bench-proxy loom soak fuzz deny

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 12

demo: ## build, watch a declared limit admit and refuse, and a window close and open
	@hack/deps
	@hack/demo

kube-demo: ## the whole story on a real Kubernetes: start one, install, declare limits, watch them change
	@hack/deps testbed
	@hack/kube-demo

kube-down: testbed-down ## remove what kube-demo left running

test: deps fmt clippy unit loom chart e2e ## everything that CI runs

deps: ## install what building and testing need (Debian packages, the pinned Rust toolchain)
	@hack/deps testbed

fmt: ## is everything formatted?
	@echo "make fmt: the committed format"
	$(CARGO) fmt --all --check

clippy: ## warnings are errors
	@echo "make clippy: lints of every target"
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

unit: ## unit, property and model tests; generated files are up to date
	@echo "make unit: every crate's own tests"
	$(CARGO) test --locked --workspace --exclude wicketgate-e2e

chart: ## lint the charts, run their unit tests, check what they render
	@echo "make chart: the charts"
	@hack/chart-test

e2e: ## black-box tests: the binary from outside, and all of it on Kubernetes (KUBECONFIG, or the test cluster)
	@hack/e2e

generate: ## rewrite what is generated: protocol, CRDs, reference pages, pictures
	UPDATE=1 $(CARGO) test -q -p wicketgate-proto -p wicketgate-crds
	UPDATE=1 $(CARGO) test -q -p wicketgate-engine --test main pictures
	UPDATE=1 $(CARGO) test -q -p wicketgate-daemon --lib
	UPDATE=1 $(CARGO) test -q -p wicketgate-operator --lib

images: ## build both images: target/images/*.tar (IMAGE_PROFILE=release)
	@hack/images

testbed: images ## start the test cluster with all images in it, and leave it running
	@hack/test-images
	@e2e/testbed/up
	@e2e/testbed/load $${CARGO_TARGET_DIR:-target}/images/*.tar

testbed-down: ## end the test cluster and remove it
	@e2e/testbed/down

bench: ## measure engine, daemon and proxy beside others (many minutes; QUICK=1 for a look)
	@e2e/bench/run
	@e2e/bench/proxy

bench-proxy: ## measure the proxy alone, beside nginx and Envoy (minutes)
	@e2e/bench/proxy

loom: ## every interleaving of two threads on the window's way in and out
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom $(CARGO) test --locked -p wicketgate-engine --test loom --profile loom

soak: ## mixed traffic through the proxy for SOAK_SECONDS (600), while its policy changes: nothing is left behind
	@hack/deps
	$(CARGO) build --locked --release -p wicketgate-daemon --bin wicketgated
	SOAK_SECONDS=$${SOAK_SECONDS:-600} WICKETGATED=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/release/wicketgated \
		$(CARGO) test --locked -p wicketgate-e2e --test main -- --nocapture proxy::soak

fuzz: ## fuzz the wire, the engine and the proxy's heads for FUZZ_SECONDS each (needs nightly and cargo-fuzz)
	cd daemon/fuzz && for target in wire_decode engine_ops proxy_heads; do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$${FUZZ_SECONDS:-60} || exit 1; done

deny: ## licences, advisories and duplicates (needs cargo-deny)
	$(CARGO) deny check
