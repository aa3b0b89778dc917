# Everything a developer runs. `make` lists it.
export PATH := $(PATH):$(HOME)/.cargo/bin
TARGET := $(or $(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),target)

REDOCLY := 2.77.0
SCHEMATHESIS := 4.32.5

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

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
	cargo build --release -p api -p worker
	cargo run --release -q -p tests --bin bench

fmt: ## formats the code
	cargo fmt --all

lint: ## formatting and lints, without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

lint-api: ## the OpenAPI document by the linter's recommended rules, without a warning
	sh tests/setup.sh node
	cargo build -q -p api
	mkdir -p $(TARGET)/openapi
	$(TARGET)/debug/api openapi > $(TARGET)/openapi/openapi.json
	npm install --silent --no-save --no-audit --no-fund --prefix $(TARGET)/openapi @redocly/cli@$(REDOCLY)
	REDOCLY_TELEMETRY=off $(TARGET)/openapi/node_modules/.bin/redocly lint --config tests/fuzz/redocly.yaml $(TARGET)/openapi/openapi.json

lint-observe: ## the alerts, their tests, and every query of the dashboard and the runbooks
	sh tests/setup.sh observe
	sh deploy/observe/lint.sh

fuzz-api: ## five minutes of made-up requests against a running product, by its own document
	sh tests/setup.sh fuzz
	cargo build --workspace --bins
	test -x $(TARGET)/fuzz/bin/schemathesis || python3 -m venv $(TARGET)/fuzz
	$(TARGET)/fuzz/bin/pip install -q schemathesis==$(SCHEMATHESIS)
	$(TARGET)/debug/with-product sh tests/fuzz/run.sh "$(abspath $(TARGET))/fuzz/bin/schemathesis"

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

.PHONY: help dev test bench fmt lint lint-api lint-observe fuzz-api doc deny prepare
