# One target per habit. `make` lists them.

.DEFAULT_GOAL := help
SHELL := /bin/bash
# Whatever the environment says: the suite looks for the server here.
export CARGO_TARGET_DIR := target
BINARY := $(CARGO_TARGET_DIR)/release/redis-chat-server
# What the tests need beside Rust, Node 20 and npm, as Debian packages: command=package.
NEEDED := redis-server=redis-server redis-cli=redis-tools openssl=openssl chromium=chromium pkg-config=pkg-config strace=strace
# Libraries likewise, as pkg-config knows them: rust_socketio, a client of the suite, wants OpenSSL.
NEEDED_LIBRARIES := openssl=libssl-dev

BENCH_CRATE := --locked --manifest-path benches/Cargo.toml
BENCH := cargo run --release --quiet $(BENCH_CRATE) -- --server $(BINARY)
PROFILE := quick
FUZZ_CRATE := --locked --manifest-path fuzz/Cargo.toml
SECONDS := 60
# Every crate of the repository with a lock file of its own.
CRATES := . benches fuzz compat-tests/rust-client

.PHONY: help run check test chaos fuzz fuzz-accept fuzz-check deny audit bench bench-growth bench-growth-accept bench-accept bench-build bench-check build compat compat-accept hostile mutants upstream-client screenshot needs compat-packages rust-client

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

run: build ## build and serve the chat on http://localhost:4000; nothing else is needed
	@if [ -z "$$STORE$$REDIS_ENDPOINT_URL" ] && ! grep -qsE '^[[:space:]]*(STORE|REDIS_ENDPOINT_URL)[[:space:]]*=[[:space:]]*[^[:space:]]' .env; then \
	  export STORE=embedded; \
	  echo "No Redis is named, so the data is in a file, which is named below."; fi; \
	exec $(BINARY)

build:
	cargo build --release --locked

check: ## formatting, lints, documentation, the table in the README
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
	node compat-tests/readme-table.mjs --check

test: needs check build compat-packages rust-client ## everything: checks, Rust tests, the black-box suite against its committed results
	cargo test --workspace --locked --quiet
	cd compat-tests && npm run --silent test:committed

# With TARGET=, PEER=, CAPABILITIES=, READY=, REDIS_URL=, UPSTREAM_DIR=, TARGETS=: see compat-tests/README.md.
compat: needs $(if $(TARGET),,build rust-client) compat-packages ## the black-box suite against any server, with a report
	@node compat-tests/compat.mjs

compat-accept: needs build compat-packages rust-client ## run all targets and take their results as the committed ones
	@node compat-tests/compat.mjs --accept
	@node compat-tests/readme-table.mjs

chaos: needs build compat-packages ## what takes too long for `make test`: a hundred kills, long cuts, long migrations
	cd compat-tests && npm run --silent chaos

# With ARGS=--store=embedded, or the names of attacks that compat-tests/chaos/hostile/measure.mjs lists.
hostile: needs build compat-packages ## what slow and hostile clients cost the server and everybody else; five minutes
	@cd compat-tests && node chaos/hostile/measure.mjs $(ARGS)

mutants: needs build compat-packages ## proof that the suite finds faults: put seven into the server, one by one
	cd compat-tests && node mutants.mjs

# It wants the nightly compiler, and installs cargo-fuzz if need be. TARGETS='json cookie' fuzzes these alone.
fuzz: ## fuzz each reader of strangers' bytes for SECONDS=60; `make test` replays the corpus without it
	@nice -n 19 node fuzz/run.mjs --seconds $(SECONDS) $(TARGETS)

fuzz-accept: compat-packages ## compare what `make fuzz` found with the originals, take it into the corpus, and its counts into fuzz/README.md
	FUZZ_CORPUS=target/fuzz/corpus cargo test --locked --quiet --test fuzz_corpus
	@nice -n 19 node fuzz/run.mjs --accept

fuzz-check: ## formatting and lints of the fuzz targets, which are a crate of their own
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --all-targets $(FUZZ_CRATE) -- -D warnings

deny: ## advisories, licences and sources of all Rust crates, by deny.toml
	@if ! cargo deny --version >/dev/null 2>&1; then echo "Installing cargo-deny"; cargo install cargo-deny --locked --quiet; fi
	@for crate in $(CRATES); do echo "$$crate"; cargo deny --locked --manifest-path $$crate/Cargo.toml --config deny.toml check --hide-inclusion-graph $(DENY) || exit 1; done

audit: ## what npm knows against the packages of the tests; fails unless it is listed in compat-tests/audit.json
	@node compat-tests/audit.mjs

# Further arguments in ARGS=, such as --only fanout or --command './my-server --port {port} --redis {redis}'.
bench: bench-build ## servers side by side: CPU, memory, latency; PROFILE=full takes a quarter of an hour
	@$(BENCH) --$(PROFILE) --json benches/results/bench.json --svg benches/results/bench.svg $(ARGS)

bench-growth: bench-build ## how the figures grow with sockets, rooms, stored messages and servers
	@$(BENCH) --growth --json benches/results/growth.json --svg benches/results/growth.svg $(ARGS)

bench-growth-accept: bench-build ## the same on a quiet machine into docs/
	@$(BENCH) --growth --rounds 2 --json docs/growth.json --svg docs/growth.svg --readme docs/PERFORMANCE.md $(ARGS)

bench-accept: bench-build ## three rounds on a quiet machine, five minutes, into the README and docs/
	@$(BENCH) --quick --rounds 3 --json docs/bench.json --svg docs/bench.svg --readme README.md $(ARGS)

bench-build: needs build compat-packages
	cargo build --release $(BENCH_CRATE)

bench-check: ## formatting, lints and tests of the benchmark, which is a crate of its own
	cargo fmt --check --manifest-path benches/Cargo.toml
	cargo clippy --all-targets $(BENCH_CRATE) -- -D warnings
	cargo test --quiet $(BENCH_CRATE)

screenshot: needs build compat-packages ## make the picture of the page in the README anew
	cd compat-tests && node screenshot.mjs ../docs/page.png

upstream-client: ## FROM=<checkout, build folder or git URL>: a checked copy of the original's client, to serve and to test with
	@node upstream-client/fetch.mjs "$(FROM)"

rust-client: needs
	CARGO_TARGET_DIR=target/rust-client cargo build --locked --quiet --manifest-path compat-tests/rust-client/Cargo.toml

compat-packages:
	@for dir in compat-tests compat-tests/node-peer; do \
	  if ! (cd $$dir && npm ls --silent >/dev/null 2>&1); then \
	    echo "Installing the npm packages of $$dir"; \
	    (cd $$dir && npm ci --ignore-scripts --no-audit --no-fund) || exit 1; fi; done

needs:
	@missing=""; for pair in $(NEEDED); do \
	  command -v "$${pair%%=*}" >/dev/null || missing="$$missing $${pair##*=}"; done; \
	for pair in $(NEEDED_LIBRARIES); do \
	  pkg-config --exists "$${pair%%=*}" 2>/dev/null || missing="$$missing $${pair##*=}"; done; \
	if [ -n "$$missing" ]; then \
	  echo "Installing from Debian:$$missing"; \
	  sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; fi
