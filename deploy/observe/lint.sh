#!/bin/sh
# Checks what is in this folder, and the queries of the runbooks, without a running Prometheus. Needs promtool and jq.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

promtool check config --syntax-only prometheus.yml
promtool check rules alerts.yml
promtool test rules alerts_test.yml

# Queries become rules, which promtool can parse; Grafana's variables get a value first.
as_rules() {
    jq -Rs '{groups: [{name: "queries", rules: [split("\u0000")[] | select(test("\\S"))
        | gsub("\\$__rate_interval"; "5m") | gsub("\\$instance"; ".*")] | to_entries
        | map({record: "query:\(.key)", expr: .value})}]}'
}
jq -j '[.. | objects | .expr? // empty] | .[] | . + "\u0000"' dashboard.json | as_rules >"$work/dashboard.yml"
awk '/^```promql$/ { inside = 1; next } /^```$/ { if (inside) printf "%c", 0; inside = 0 } inside' ../../docs/*.md \
    ../../docs/runbooks/*.md | as_rules >"$work/documents.yml"
promtool check rules "$work/dashboard.yml" "$work/documents.yml"
