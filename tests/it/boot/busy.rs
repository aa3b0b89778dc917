//! An api that has much to do when it is told to stop, or asked whether it is ready.

use std::time::Duration;

use serde_json::json;
use tests::kit::{CONTACTS, Program, Tenant, TestApp, sample, until};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_under_way_at_a_stop_signal_is_done_and_answered() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let mut api = Program::api(&app.database.app_url(), &[]).await;
    let (there, port) = (acme.through(api.url()), api.ports()[0]);
    let held = app.database.hold("lock table contacts in share mode").await;
    let asked = tokio::spawn(async move { there.post(CONTACTS, json!({"name": "Ada"})).await });
    app.database.waiting(1).await;
    let go_on = async {
        let refused = async || TcpStream::connect(("127.0.0.1", port)).await.is_err();
        until("no new connection is taken", refused).await;
        held.release().await;
    };
    let (status, ()) = tokio::join!(api.stop(), go_on);
    assert_eq!(status.code(), Some(0), "{}", api.last_lines());
    let created = asked.await.unwrap().created();
    let listed = acme.get(CONTACTS).await.page().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], created["id"]);
    assert_eq!(app.announced().await, ["contact.created"]);
}

/// Whether it says that it is ready while its one connection goes from a request that ends to one that does not.
async fn is_ready(app: &TestApp, api: &Program, acme: &Tenant) -> bool {
    let contacts = app.database.hold("lock table contacts in share mode").await;
    let first = acme.clone();
    let first = tokio::spawn(async move { first.post(CONTACTS, json!({"name": "Ada"})).await });
    app.database.waiting(1).await;
    let keys = app.database.hold("lock table api_keys in access exclusive mode").await;
    let queue = async |tasks: f64| {
        let waiting = async || {
            sample(&api.admin("/metrics").await.1, "db_connections_waiting") >= Some(tasks)
        };
        until("a connection is waited for", waiting).await;
    };
    let second = acme.clone();
    let second = tokio::spawn(async move { second.get(CONTACTS).await });
    queue(1.0).await;
    let go_on = async {
        // On a slow machine it has been answered before that is seen.
        let _ = timeout(Duration::from_secs(1), queue(2.0)).await;
        contacts.release().await;
    };
    let ((status, _), ()) = tokio::join!(api.admin("/readyz"), go_on);
    keys.release().await;
    // Whatever they were answered: they may have waited for too long.
    let _ = tokio::join!(first, second);
    status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_is_ready_while_its_connections_are_busy_and_not_when_none_gets_on() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let api = Program::api(&app.database.app_url(), &[("DATABASE_CONNECTIONS", "1")]).await;
    let acme = acme.through(api.url());
    until("it is ready", async || is_ready(&app, &api, &acme).await).await;

    let held = app.database.hold("lock table contacts in access exclusive mode").await;
    let stuck = tokio::spawn(async move { acme.get(CONTACTS).await });
    app.database.waiting(1).await;
    api.wait_for("/readyz", 503).await;
    held.release().await;
    let _ = stuck.await;
    api.wait_for("/readyz", 200).await;
    app.database
        .execute(
            "do $$ begin
                 execute format('alter database %I connection limit 0', current_database());
                 perform pg_terminate_backend(pid) from pg_stat_activity
                 where usename = 'crm_app' and datname = current_database();
             end $$",
        )
        .await;
    api.wait_for("/readyz", 503).await;
}
