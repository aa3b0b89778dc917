//! Filters, masks and orders that are refused, with every fault at its place.

use serde_json::{Value, json};
use tests::kit::{TestApp, WEBHOOKS};

const FORMS: &str = "Must be an object with one of all, any, not, changed, event, or field";
const MEMBER: &str = "Must be a member of some event's data, such as status, or previous.status";
const CHANGE: &str = "Must be a member that an update can change, such as status";
const SCALAR: &str = "Must be a string, a number, true, false or null";
const SIZE: &str = "Must have at most 100 comparisons, names and values in all";
const DIGITS: &str = "Must have at most 28 digits, 10 of them decimal places";
const TIME: &str = "Must be a time such as 2025-11-02T10:00:00Z";

fn deep(levels: usize) -> Value {
    (1..levels).fold(json!({"changed": ["status"]}), |inside, _| json!({"not": inside}))
}

/// A filter, and the faults of its places.
fn bad() -> Vec<(Value, Value)> {
    let one = |test: Value, place: &str, fault: &str| {
        let mut filter = test;
        filter["field"] = json!("status");
        (filter, json!({format!("filter.{place}"): fault}))
    };
    let (long, name) = ("x".repeat(201), json!({"field": "status", "in": vec!["a"; 51]}));
    vec![
        (json!("status = won"), json!({"filter": FORMS})),
        (json!([]), json!({"filter": FORMS})),
        (json!({}), json!({"filter": FORMS})),
        (json!({"all": [], "any": []}), json!({"filter": FORMS})),
        (json!({"some": []}), json!({"filter.some": "Unknown field"})),
        (json!({"all": []}), json!({"filter.all": "Must be a list of 1 to 100"})),
        (json!({"any": {"field": "status"}}), json!({"filter.any": "Must be a list of 1 to 100"})),
        (json!({"all": [{"field": "status", "eq": "won"}, 5]}), json!({"filter.all[1]": FORMS})),
        (json!({"not": null}), json!({"filter.not": FORMS})),
        (
            json!({"field": "status"}),
            json!({"filter": "Must have one of eq, ne, gt, gte, lt, lte, in, contains, startsWith, isNull beside field"}),
        ),
        (json!({"field": "colour", "eq": 5}), json!({"filter.field": MEMBER})),
        (json!({"field": "status\"", "eq": 5}), json!({"filter.field": MEMBER})),
        (json!({"field": "previous.colour", "eq": 5}), json!({"filter.field": MEMBER})),
        (json!({"field": 5, "eq": 5}), json!({"filter.field": MEMBER})),
        one(json!({"like": "a"}), "like", "Unknown field"),
        one(json!({"eq": {"a": 1}}), "eq", SCALAR),
        one(json!({"eq": ["a"]}), "eq", SCALAR),
        one(json!({"eq": "a\u{0}"}), "eq", "Must not contain NUL characters"),
        one(json!({"eq": long}), "eq", "Must be at most 200 characters"),
        one(json!({"eq": 1e-11}), "eq", DIGITS),
        one(json!({"gt": 1e30}), "gt", DIGITS),
        one(json!({"gt": "yesterday"}), "gt", TIME),
        one(
            json!({"lte": null}),
            "lte",
            "Must be a number, or a time such as 2025-11-02T10:00:00Z",
        ),
        one(json!({"in": "won"}), "in", "Must be a list of 1 to 100"),
        one(json!({"in": ["won", {}]}), "in[1]", SCALAR),
        one(json!({"contains": ""}), "contains", "Must not be empty"),
        one(json!({"startsWith": 5}), "startsWith", "Must be a string"),
        one(json!({"isNull": "yes"}), "isNull", "Must be true or false"),
        (json!({"changed": ["status", "previous.status"]}), json!({"filter.changed[1]": CHANGE})),
        (json!({"changed": ["id"]}), json!({"filter.changed[0]": CHANGE})),
        (json!({"changed": ["tenantId"]}), json!({"filter.changed[0]": CHANGE})),
        (json!({"changed": ["createdAt"]}), json!({"filter.changed[0]": CHANGE})),
        (json!({"changed": ["updatedAt"]}), json!({"filter.changed[0]": CHANGE})),
        (json!({"changed": ["version"]}), json!({"filter.changed[0]": CHANGE})),
        (
            json!({"event": ["lead.*", "lead.exploded"]}),
            json!({"filter.event[1]": "Must be an event, a family such as contact.*, or *"}),
        ),
        (
            json!({"all": [{"any": [{"field": "colour", "gte": "red"}]}, {"field": "value", "gte": "12"}]}),
            json!({"filter.all[0].any[0].field": MEMBER, "filter.all[0].any[0].gte": TIME, "filter.all[1].gte": TIME}),
        ),
        (deep(6), json!({"filter.not.not.not.not.not": "Must be at most 5 objects deep"})),
        (json!({"all": [name, name]}), json!({"filter": SIZE})),
    ]
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_refused_with_each_fault_at_its_place() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (filter, faults) in bad() {
        let body = json!({"url": "https://example.com/", "events": ["*"], "filter": filter});
        acme.post(WEBHOOKS, body).await.invalid(&faults);
    }
    assert_eq!(acme.get(WEBHOOKS).await.page().items, [Value::Null; 0]);
}

#[tokio::test]
async fn a_filter_at_its_limits_is_taken_and_evaluated() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let longest = json!({"field": "title", "ne": "\"\\".repeat(100)});
    let widest = json!({"any": vec![longest; 100]});
    for filter in [deep(5), widest, json!({"field": "status", "in": vec!["é".repeat(200); 100]})] {
        let body = json!({"url": "https://example.com/", "events": ["*"], "filter": filter});
        acme.post(WEBHOOKS, body).await.created();
    }
    super::tell(&app, &acme, "lead.created", r#"{"title":"Seats"}"#).await;
    app.worker().relay().await.unwrap();
    assert_eq!(app.count("pending").await, 1);
}

#[tokio::test]
async fn all_filters_of_a_tenant_are_bounded_together() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let long = json!({"any": vec![json!({"field": "body", "contains": "x".repeat(200)}); 99]});
    let webhook = json!({"url": "https://example.com/", "events": ["*"], "filter": long});
    let small =
        json!({"url": "https://example.com/", "events": ["*"], "filter": {"changed": ["status"]}});
    let small = acme.post(WEBHOOKS, small).await.created();
    let path = format!("{WEBHOOKS}/{}", small["id"].as_str().unwrap());
    for _ in 0..8 {
        acme.post(WEBHOOKS, webhook.clone()).await.created();
    }
    let fault =
        json!({"filter": "All filters of the tenant must have at most 200000 bytes together"});
    acme.post(WEBHOOKS, webhook.clone()).await.invalid(&fault);
    acme.put(&path, json!({"filter": long})).await.invalid(&fault);
    acme.put(&path, json!({"filter": {"changed": ["name"]}})).await.ok();
    other.post(WEBHOOKS, webhook).await.created();
}

#[tokio::test]
async fn masks_and_orders_are_of_known_words() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (body, faults) in [
        (json!({"fields": "name"}), json!({"fields": "Must be a list of at most 100"})),
        (
            json!({"fields": ["name", "colour", 5]}),
            json!({"fields[1]": MEMBER, "fields[2]": MEMBER}),
        ),
        (json!({"fields": ["previous.previous"]}), json!({"fields[0]": MEMBER})),
        (json!({"fields": ["stage.name.first"]}), json!({"fields[0]": MEMBER})),
        (json!({"ordering": "strict"}), json!({"ordering": "Must be one of none, record"})),
    ] {
        let mut webhook = json!({"url": "https://example.com/", "events": ["*"]});
        webhook.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        acme.post(WEBHOOKS, webhook).await.invalid(&faults);
    }
    let body = json!({"url": "https://example.com/", "events": ["*"], "fields": ["name", "email", "name"],
        "ordering": "record"});
    let webhook = acme.post(WEBHOOKS, body).await.created();
    assert_eq!(webhook["fields"], json!(["name", "email"]));
    let path = format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap());
    let cleared = json!({"fields": null, "filter": null, "ordering": "none"});
    let cleared = acme.patch(&path, cleared).await.ok();
    assert_eq!((&cleared["fields"], &cleared["ordering"]), (&Value::Null, &json!("none")));
    assert_eq!(cleared["version"], 2);
    let kept = acme.patch(&path, json!({"ordering": null})).await;
    kept.invalid(&json!({"ordering": "Must not be null"}));
}
