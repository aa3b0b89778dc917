//! Clients that send a request and hang up without reading the answer.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tests::kit::{Credential, Tenant, TestApp, until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const PATH: &str = "/api/v1/connection/contacts";
const CLIENTS: u64 = 200;

/// Sends the whole request, waits a moment and is gone.
async fn hang_up(
    address: SocketAddr,
    caller: &Tenant,
    method: &str,
    path: &str,
    body: &str,
    after: Duration,
) {
    let Credential::ApiKey(key) = &caller.credential else { panic!("a key") };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

/// Many clients that hang up after 0 to 15 ms, a few at a time.
async fn many_hang_up(app: &TestApp, caller: &Tenant, method: &'static str, path: &str) {
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (address, caller, path) = (app.address(), caller.clone(), path.to_owned());
        clients.spawn(async move {
            let body = json!({"name": format!("Client {client}")}).to_string();
            hang_up(address, &caller, method, &path, &body, Duration::from_millis(client % 16))
                .await;
        });
        if clients.len() >= 8 {
            clients.join_next().await.unwrap().unwrap();
        }
    }
    clients.join_all().await;
}

/// Asks again until the condition of `sql` holds: a request goes on after its client has gone.
async fn eventually(app: &TestApp, sql: &'static str) {
    let holds = async || sqlx::query_scalar(sql).fetch_one(app.database.admin()).await.unwrap();
    until(sql, holds).await;
}

#[tokio::test]
async fn a_contact_exists_exactly_when_its_event_does_whoever_hung_up() {
    let app = TestApp::configured(|config| config.db.connections = 4).await;
    let tenant = app.tenant("Anna").await;
    many_hang_up(&app, &tenant, "POST", PATH).await;
    eventually(&app, "select count(*) >= 1 from contacts").await;
    // One snapshot: it must hold at every moment, whatever is still under way.
    let (alone, unheard): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where e.event is null), count(*) filter (where c.id is null)
         from contacts c full join outbox e on e.payload ->> 'id' = c.id::text",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert_eq!((alone, unheard), (0, 0), "contacts without an event, events without a contact");
}

#[tokio::test]
async fn every_version_of_a_contact_has_its_event_whoever_hung_up() {
    let app = TestApp::configured(|config| config.db.connections = 4).await;
    let tenant = app.tenant("Anna").await;
    let contact = tenant.post(PATH, json!({"name": "First"})).await.created();
    many_hang_up(&app, &tenant, "PUT", &format!("{PATH}/{}", contact["id"].as_str().unwrap()))
        .await;
    eventually(&app, "select version > 1 from contacts").await;
    let (version, events): (i64, i64) = sqlx::query_as(
        "select (select version::bigint from contacts), (select count(*) from outbox where event like 'contact.%')",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert_eq!(version, events);
}

#[tokio::test]
async fn clients_that_hang_up_leave_no_tenant_behind_on_a_connection() {
    let app = TestApp::configured(|config| config.db.connections = 2).await;
    let tenant = app.tenant("Anna").await;
    tenant.post(PATH, json!({"name": "Ada"})).await.created();
    many_hang_up(&app, &tenant, "GET", PATH).await;
    many_hang_up(&app, &tenant, "POST", PATH).await;
    for _ in 0..10 {
        let seen = sqlx::query("select 1 from contacts");
        let seen = app.api.db.direct(async |conn| seen.execute(conn).await).await;
        let code = seen.as_ref().err().and_then(|error| error.as_database_error()?.code());
        assert!(matches!(code.as_deref(), Some("42704" | "22P02")), "{seen:?}");
    }
}
