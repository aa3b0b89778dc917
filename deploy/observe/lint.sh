#!/bin/sh
# Checks what is in this folder, and the queries of the runbooks, without a running Prometheus. Needs promtool and jq.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

promtool check config --syntax-only prometheus.yml
promtool check rules alerts.yml
promtool test rules alerts_test.yml

# Debian's promtool knows no Kubernetes: a file tells it of the pods. Their ports named `admin` are to be asked, under the
# names that the alerts know.
pod() {
    printf '{"targets": ["10.0.0.1:%s"], "labels": {"__meta_kubernetes_namespace": "liaison",
        "__meta_kubernetes_pod_phase": "%s", "__meta_kubernetes_pod_name": "%s-1", "__meta_kubernetes_pod_label_app_kubernetes_io_name": "%s",
        "__meta_kubernetes_pod_container_port_name": "%s"}}' "$4" "$3" "$1" "$1" "$2"
}
{
    printf '['
    pod liaison-api http Running 8080 && printf ','
    pod liaison-api admin Running 9090 && printf ','
    pod liaison-worker admin Running 9091 && printf ','
    pod liaison-worker admin Failed 9091 && printf ','
    pod liaison-migrate "" Succeeded 0 && printf ']'
} >"$work/pods.json"
awk -v pods="$work/pods.json" '
    /^ *kubernetes_sd_configs:$/ { print "    file_sd_configs: [{files: [" pods "]}]"; inside = 1 }
    /^ *relabel_configs:$/ { inside = 0 }
    !inside' kubernetes.yml >"$work/kubernetes.yml"
promtool check config "$work/kubernetes.yml"
found=$(promtool check service-discovery --timeout=2s "$work/kubernetes.yml" liaison 2>"$work/told" | jq -r '
    [.[].labels | select(.job) | "\(.job) \(.namespace) \(.pod) \(.instance) \(.__address__)"] | sort | join("\n")')
[ "$found" = "liaison-api liaison liaison-api-1 liaison-api-1 10.0.0.1:9090
liaison-worker liaison liaison-worker-1 liaison-worker-1 10.0.0.1:9091" ] || {
    cat "$work/told"
    echo "kubernetes.yml finds: $found"
    exit 1
}

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
