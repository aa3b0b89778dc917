//! Filters: each operator, exactly; nothing that a payload holds is an error.

use serde_json::{Value, json};
use tests::kit::{CONTACTS, LEADS, TestApp, WEBHOOKS};

use super::{arrived, filtered, subscribed, tell};

/// Leads as their events tell of them, with a letter each.
const LEADS_TOLD: [(&str, &str, &str); 5] = [
    (
        "a",
        "lead.updated",
        r#"{"id":"01a2036d-dd15-7007-8aa1-de4599c3d120","title":"Grün 100%","status":"won","value":1000.10,"owner":null,
            "convertedAt":"2026-01-02T03:04:05.678Z","version":2,"previous":{"status":"new","owner":null}}"#,
    ),
    (
        "b",
        "lead.updated",
        r#"{"id":"01a2036d-dd15-7007-8aa1-de4599c3d121","title":"grün \"x\" \\ (.*)","status":"lost","value":9007199254740993,
            "owner":"01a2036d-dd15-7007-8aa1-de4599c3d999","convertedAt":null,"version":3,"previous":{"title":"b"}}"#,
    ),
    (
        "c",
        "lead.created",
        r#"{"id":"01a2036d-dd15-7007-8aa1-de4599c3d122","title":"","value":null,"restored":true,"version":1}"#,
    ),
    // Of other types than anyone expects.
    (
        "d",
        "lead.updated",
        r#"{"id":"d","title":5,"status":{"a":1},"value":"1000.10","owner":true,"version":4,"previous":null}"#,
    ),
    (
        "e",
        "lead.moved_to_stage",
        r#"{"id":"e","status":"new","value":-0.5,"from":null,"to":{"name":"Won"},"convertedAt":"2026-02-01T00:00:00.000Z"}"#,
    ),
];

/// A filter, and which of these leads pass it.
fn cases() -> Vec<(Value, &'static str)> {
    let field = |name: &str, test: Value| {
        let mut filter = test;
        filter["field"] = json!(name);
        filter
    };
    vec![
        (field("status", json!({"eq": "won"})), "a"),
        (field("status", json!({"eq": "Won"})), ""),
        (field("status", json!({"ne": "won"})), "bde"),
        (field("owner", json!({"eq": null})), "a"),
        (field("owner", json!({"ne": null})), "bd"),
        (field("owner", json!({"eq": true})), "d"),
        (field("owner", json!({"isNull": true})), "ace"),
        (field("owner", json!({"isNull": false})), "bd"),
        (field("previous.owner", json!({"eq": null})), "a"),
        (field("value", json!({"eq": 1000.1})), "a"),
        (field("value", json!({"eq": "1000.10"})), "d"),
        (field("value", json!({"eq": 9_007_199_254_740_993_i64})), "b"),
        (field("value", json!({"eq": 9_007_199_254_740_992_i64})), ""),
        (field("value", json!({"gt": 1000.10})), "b"),
        (field("value", json!({"gte": 1000.10})), "ab"),
        (field("value", json!({"lt": 0})), "e"),
        (field("value", json!({"lte": -0.5})), "e"),
        (field("value", json!({"gte": -1, "lt": 2000})), "ae"),
        (field("convertedAt", json!({"gte": "2026-01-02T04:04:05.678+01:00"})), "ae"),
        (field("convertedAt", json!({"gt": "2026-01-02T03:04:05.678Z"})), "e"),
        (field("convertedAt", json!({"lt": "2026-01-02T03:04:05.679Z"})), "a"),
        (field("title", json!({"lt": "2026-01-02T03:04:05Z"})), ""),
        (field("status", json!({"in": ["won", "lost", 5, null]})), "ab"),
        (field("title", json!({"contains": "rün"})), "ab"),
        (field("title", json!({"contains": "(.*)"})), "b"),
        (field("title", json!({"contains": "\"x\" \\"})), "b"),
        (field("title", json!({"contains": "***="})), ""),
        (field("title", json!({"startsWith": "Grün 100%"})), "a"),
        (field("title", json!({"startsWith": "rün"})), ""),
        (field("title", json!({"eq": ""})), "c"),
        (field("to.name", json!({"eq": "Won"})), "e"),
        (field("restored", json!({"eq": true})), "c"),
        (json!({"changed": ["status"]}), "a"),
        (json!({"changed": ["status", "title"]}), "ab"),
        (json!({"changed": ["value"]}), ""),
        (json!({"event": ["lead.created"]}), "c"),
        (json!({"event": ["lead.updated", "contact.*"]}), "abd"),
        (json!({"event": ["*"]}), "abcde"),
        (json!({"not": {"field": "status", "eq": "won"}}), "bcde"),
        (json!({"not": {"field": "value", "gt": 0}}), "cde"),
        (json!({"not": {"not": {"changed": ["title"]}}}), "b"),
        (json!({"all": [{"changed": ["status", "title"]}, {"field": "value", "lt": 5000}]}), "a"),
        (json!({"any": [{"event": ["lead.created"]}, {"changed": ["title"]}]}), "bc"),
        (
            json!({"all": [{"any": [{"field": "status", "eq": "won"}, {"field": "status", "eq": "lost"}]},
            {"not": {"field": "owner", "isNull": true}}]}),
            "b",
        ),
    ]
}

#[tokio::test]
async fn each_operator_passes_what_it_says_and_what_cannot_be_asked_is_false() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut webhooks = Vec::new();
    for (filter, expected) in cases() {
        let body = json!({"url": "https://example.com/", "events": ["lead.*"], "filter": filter});
        let webhook = acme.post(WEBHOOKS, body).await.created();
        webhooks.push((webhook["id"].as_str().unwrap().to_owned(), filter, expected));
    }
    for (_, event, data) in LEADS_TOLD {
        tell(&app, &acme, event, data).await;
    }
    app.worker().relay().await.unwrap();
    for (webhook, filter, expected) in webhooks {
        let rows: Vec<(String,)> = sqlx::query_as(
            "select e.payload::text from webhook_events d join events e on e.id = d.occurrence_id
             where d.webhook_id = $1::uuid order by e.sequence",
        )
        .bind(webhook)
        .fetch_all(app.database.admin())
        .await
        .unwrap();
        let letter = |(data,): &(String,)| {
            LEADS_TOLD.iter().find(|(_, _, told)| told == data).map(|(letter, ..)| *letter).unwrap()
        };
        let passed: String = rows.iter().map(letter).collect();
        assert_eq!(passed, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_filter_sees_real_changes_and_is_shown_as_it_was_given() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let filter = json!({"all": [{"changed": ["value"]}, {"field": "value", "gte": 12.50}]});
    let subscriber = subscribed(&acme, &["lead.*"], &filtered(&filter)).await;
    let shown = subscriber.show().await;
    assert_eq!(shown["filter"], filter);
    assert_eq!(acme.put(&subscriber.path(), shown.clone()).await.ok(), shown, "nothing changed");
    let lead = acme.post(LEADS, json!({"title": "Seats", "status": "new"})).await.created();
    let path = format!("{LEADS}/{}", lead["id"].as_str().unwrap());
    for change in [json!({"value": 12.49}), json!({"value": 12.5}), json!({"title": "Chairs"})] {
        acme.put(&path, change).await.ok();
    }
    app.worker().drain().await.unwrap();
    let calls = arrived(&subscriber);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!((&calls[0]["value"], &calls[0]["title"]), (&json!(12.5), &json!("Seats")));

    let feed = acme.get("/api/v1/events").await.ok();
    assert_eq!(feed["events"].as_array().unwrap().len(), 4, "the log has them all");
}

#[tokio::test]
async fn a_new_filter_holds_for_later_events_only_and_none_lets_everything_pass_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let none = json!({"field": "name", "eq": "nobody"});
    let subscriber = subscribed(&acme, &["*"], &filtered(&none)).await;
    let mut worker = app.worker();
    let mut told = 0;
    for (filter, passed) in [(None, 0), (Some(Value::Null), 1), (Some(none), 1)] {
        if let Some(filter) = filter {
            // What is pending already was let through, and is sent.
            acme.put(&subscriber.path(), filtered(&filter)).await.ok();
        }
        told += 1;
        acme.post(CONTACTS, json!({"name": format!("Ada {told}")})).await.created();
        worker.relay().await.unwrap();
        assert_eq!(subscriber.deliveries().await.len(), passed, "after {told}");
    }
    assert_eq!(worker.drain().await.unwrap(), 1);
    assert_eq!(arrived(&subscriber)[0]["name"], "Ada 2");
}

#[tokio::test]
async fn a_payload_that_the_database_cannot_search_stops_no_other_event() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let passes = json!({"not": {"field": "name", "eq": "nobody"}});
    let picky = subscribed(&acme, &["*"], &filtered(&passes)).await;
    let all = acme.subscribe(&["*"]).await;
    // As json it is a number like any other; as jsonb it is an error.
    tell(&app, &acme, "contact.created", r#"{"name":1e200000}"#).await;
    tell(&app, &acme, "contact.created", r#"{"name":"Ada"}"#).await;
    app.worker().relay().await.unwrap();
    let count: Vec<i64> = sqlx::query_scalar(
        "select count(*) from webhook_events where webhook_id in ($1, $2) group by webhook_id = $1 order by 1",
    )
    .bind(picky.id)
    .bind(all.id)
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert_eq!(count, [1, 2]);
}

#[tokio::test]
async fn a_stages_event_has_no_changed_members_although_it_tells_the_stage_before() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let changed = json!({"changed": ["name"]});
    let [wants, does_not] = [
        subscribed(&acme, &["pipeline.*"], &filtered(&changed)).await,
        subscribed(&acme, &["pipeline.*"], &filtered(&json!({"not": changed}))).await,
    ];
    let data = r#"{"pipelineId":"01a2036c-0d4c-7400-87c8-25f570a5ef21","version":2,"stage":{"name":"Won"},"previous":{"name":"Lost"},"change":"updated"}"#;
    tell(&app, &acme, "pipeline.stage.updated", data).await;
    app.worker().drain().await.unwrap();
    assert_eq!((arrived(&wants).len(), arrived(&does_not).len()), (0, 1));
}
