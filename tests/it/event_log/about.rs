//! The record that an event is about: whoever writes the event says it (docs/decisions/0045).

use std::collections::BTreeSet;

use tests::kit::TestApp;

use crate::openapi::events::cause_everything;

/// The events in a table, by whether it says what their payloads say.
async fn told(app: &TestApp, table: &str) -> BTreeSet<(String, bool)> {
    let sql = format!(
        "select event, record is not null and record = payload_record(payload)
                and version is not distinct from payload_version(payload)
         from {table}"
    );
    let sql = sqlx::AssertSqlSafe(sql);
    sqlx::query_as(sql).fetch_all(app.database.admin()).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn every_event_says_in_the_outbox_what_it_is_about() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    cause_everything(&acme).await;
    let told = told(&app, "outbox").await;
    assert!(told.iter().all(|(_, alike)| *alike), "{told:#?}");
    assert_eq!(told.len(), 17, "{told:#?}");
}

#[tokio::test]
async fn of_an_event_that_does_not_say_it_the_relay_finds_it_out() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    cause_everything(&acme).await;
    app.database.execute("update outbox set record = null, version = null").await;
    app.worker().relay().await.unwrap();
    let told = told(&app, "events").await;
    assert!(told.iter().all(|(_, alike)| *alike), "{told:#?}");
    assert_eq!(told.len(), 17, "{told:#?}");
}
