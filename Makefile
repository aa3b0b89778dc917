# Everything a developer runs. `make` lists it.
export PATH := $(PATH):$(HOME)/.cargo/bin
TARGET := $(or $(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),target)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

dev: ## the whole product on this machine, with two demo tenants and a webhook catcher
	sh tests/setup.sh dev
	cargo build --workspace --bins
	cargo run -q -p tests --bin dev

test: ## every test against real servers; T=name runs the tests whose name contains it
	sh tests/setup.sh test
	cargo build --workspace --bins
	$(TARGET)/debug/with-servers --redis -- cargo test --workspace $(T)

bench: ## the benchmark; writes target/bench.json
	sh tests/setup.sh test
	cargo build --release --workspace --bins
	cargo run --release -q -p tests --bin bench

fmt: ## formats the code
	cargo fmt --all

lint: ## formatting and lints, without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

doc: ## the reference of the code, without a broken link
	RUSTDOCFLAGS="-Dwarnings -Arustdoc::private-intra-doc-links" cargo doc --no-deps --workspace --document-private-items

deny: ## licences, sources and known faults of the dependencies
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --config .cargo/deny.toml check licenses bans sources
	if cargo deny --config .cargo/deny.toml fetch db; then cargo deny --config .cargo/deny.toml check advisories; \
	else echo "known faults were not checked: RustSec's database is out of reach"; fi

prepare: ## renews .sqlx after a change of SQL or of a migration
	sh tests/setup.sh
	sh tests/prepare.sh

.PHONY: help dev test bench fmt lint doc deny prepare
