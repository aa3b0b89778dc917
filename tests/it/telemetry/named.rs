//! What operators are told about exists: every metric that the programs show is explained, and every name in the guide,
//! the dashboard, the alerts and the runbooks is a metric that they show.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::delivered;
use super::promql::{metrics_of, rules};
use super::runbooks::{ALERTS, RUNBOOKS, blocks, read};
use crate::architecture::source::{Source, files};

const GUIDE: &str = "docs/observability.md";
const DASHBOARD: &str = "deploy/observe/dashboard.json";

/// Metrics that both programs show together, with their types.
async fn shown() -> BTreeMap<String, String> {
    let redis = tests::kit::test_redis_url();
    let product = delivered(&[("REDIS_URL", &redis), ("QUEUE", "redis")]).await;
    // Set by parts of the worker that begin one after the other; the third is the last of a round of housekeeping.
    let there = [
        "queue_tokens_waiting",
        "webhooks_unhealthy",
        "webhook_deliveries_in_line",
        "event_log_until",
        "clock_offset",
    ];
    product
        .worker
        .wait_until("/metrics", |_, text| there.iter().all(|name| text.contains(name)))
        .await;
    let (_, api) = product.api.admin("/metrics").await;
    let (_, worker) = product.worker.admin("/metrics").await;
    let types = api.lines().chain(worker.lines());
    let types = types.filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The metrics of the guide's tables, with their types: `| `name` | type | …`, or several names.
fn explained() -> BTreeMap<String, String> {
    let guide = read(GUIDE);
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut all = BTreeMap::new();
    for row in rows {
        let mut cells = row.split(" | ");
        let (names, kind) = (cells.next().unwrap(), cells.next().unwrap_or_default());
        if ["counter", "gauge", "histogram"].contains(&kind) {
            for name in names.split('`').step_by(2).filter(|name| !name.is_empty()) {
                assert!(all.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            }
        }
    }
    all
}

/// The queries of a dashboard, wherever they stand.
fn queries(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| queries(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, into)),
        _ => {}
    }
}

/// What a document names in backticks by the names that only metrics have.
fn mentioned(document: &Source) -> BTreeSet<String> {
    let prose = document.text.split("```").step_by(2).collect::<String>();
    let quoted = prose.split('`').skip(1).step_by(2);
    let names = quoted.map(|quoted| quoted.split('{').next().unwrap_or_default());
    let endings = ["_total", "_seconds", "_bytes", "_up"];
    let metric = |name: &&str| {
        endings.iter().any(|ending| name.ends_with(ending))
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    names.filter(metric).map(str::to_owned).collect()
}

/// The metric that a series belongs to.
fn base<'a>(name: &'a str, shown: &BTreeMap<String, String>) -> &'a str {
    let histogram = |name: &&str| shown.get(*name).is_some_and(|kind| kind == "histogram");
    let endings = ["_bucket", "_sum", "_count"].iter();
    endings.filter_map(|ending| name.strip_suffix(ending)).find(histogram).unwrap_or(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_explained_and_every_metric_that_is_named_is_there() {
    let shown = shown().await;
    assert_eq!(explained(), shown, "{GUIDE} and /metrics");

    let mut asked: Vec<(String, String)> = Vec::new();
    let rules = rules(&read(ALERTS));
    let recorded: BTreeSet<_> = rules.iter().filter_map(|(record, _)| record.clone()).collect();
    asked.extend(rules.into_iter().map(|(_, expression)| (ALERTS.to_owned(), expression)));
    let mut of_dashboard = Vec::new();
    queries(&serde_json::from_str(&read(DASHBOARD)).unwrap(), &mut of_dashboard);
    asked.extend(of_dashboard.into_iter().map(|expression| (DASHBOARD.to_owned(), expression)));
    let documents = files(&["docs"], ".md");
    for document in &documents {
        let blocks = blocks(document, "promql");
        asked.extend(blocks.map(|block| (document.path.clone(), block.to_owned())));
    }
    assert!(asked.len() > 60, "{asked:#?}");
    let mut unknown = Vec::new();
    for (place, expression) in asked {
        for name in metrics_of(&expression).difference(&recorded) {
            // What Prometheus says itself of those that it asks.
            let known = shown.contains_key(base(name, &shown)) || name == "up";
            if !known {
                unknown.push(format!("{place}: {name} in {expression}"));
            }
        }
    }
    let of_operators = |document: &&Source| {
        let path = &*document.path;
        path == GUIDE || path == "docs/operations.md" || path.starts_with(RUNBOOKS)
    };
    for document in documents.iter().filter(of_operators) {
        let named = mentioned(document);
        let strange = named.iter().filter(|name| !shown.contains_key(base(name, &shown)));
        unknown.extend(strange.map(|name| format!("{}: `{name}`", document.path)));
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

#[test]
fn the_dashboard_has_panels_with_ids_titles_and_queries_of_their_own() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut places = BTreeSet::new();
    for panel in panels {
        assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
        let place = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(place[0] + place[2] <= 24, "{panel}");
        for cell in (place[0]..place[0] + place[2])
            .flat_map(|x| (place[1]..place[1] + place[3]).map(move |y| (x, y)))
        {
            assert!(places.insert(cell), "something lies under {panel}");
        }
        let mut asked = Vec::new();
        queries(panel, &mut asked);
        assert_eq!(asked.is_empty(), panel["type"] == "row", "{panel}");
    }
}
