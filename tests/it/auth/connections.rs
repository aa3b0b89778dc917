//! What a caller costs the pool: who is refused, or has not sent everything yet, holds no connection.

use serde_json::json;
use shared::scope::Scope;
use tests::kit::{Answer, CONTACTS, Tenant, TestApp, raw};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{ask, unauthorized};

/// An api with so few connections that a lost one shows, and a tenant whose key it has accepted before.
async fn small(connections: u32) -> (TestApp, Tenant) {
    let app = TestApp::configured(|config| config.db.connections = connections).await;
    let acme = app.tenant("acme").await;
    acme.get(CONTACTS).await.page();
    (app, acme)
}

/// The sessions that the api has at the database.
pub(super) async fn sessions(app: &TestApp) -> Vec<i32> {
    let pids = "select pid from pg_stat_activity where datname = current_database() and usename <> current_user order by pid";
    sqlx::query_scalar(pids).fetch_all(app.database.admin()).await.unwrap()
}

#[tokio::test]
async fn a_key_opens_the_tenant_that_its_row_names_at_each_request() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    globex.post(CONTACTS, json!({"name": "Grace"})).await.created();
    assert_eq!(acme.get(CONTACTS).await.page().names(), ["Ada"]);
    let (from, to) = (acme.id, globex.id);
    app.database
        .execute(&format!(
            "update api_keys set tenant_id = '{to}', created_by = null where tenant_id = '{from}'"
        ))
        .await;
    for _ in 0..3 {
        assert_eq!(acme.get(CONTACTS).await.page().names(), ["Grace"]);
    }
    let contact = acme.post(CONTACTS, json!({"name": "Alan"})).await.created();
    assert_eq!(contact["tenantId"], json!(to));
}

#[tokio::test]
async fn what_a_key_may_do_is_read_anew_with_each_request() {
    let (app, acme) = small(1).await;
    let reader = acme.with_scopes(&[Scope::ContactsRead]).await;
    reader.get(CONTACTS).await.page();
    app.database.execute("update api_keys set scopes = '{contacts:write}'").await;
    reader.get(CONTACTS).await.problem(403, "INSUFFICIENT_SCOPE");
    reader.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.database.execute("update api_keys set revoked_at = now()").await;
    unauthorized(reader.get(CONTACTS).await, "The API key is not valid");
}

#[tokio::test]
async fn whoever_is_refused_gives_the_connection_back() {
    let (app, acme) = small(1).await;
    let reader = acme.with_scopes(&[Scope::ContactsRead]).await;
    reader.get(CONTACTS).await.page();
    let before = sessions(&app).await;
    for _ in 0..5 {
        reader.post(CONTACTS, json!({"name": "Ada"})).await.problem(403, "INSUFFICIENT_SCOPE");
        reader.get(&format!("{CONTACTS}?nonsense=1")).await.problem(400, "VALIDATION_ERROR");
        acme.post(CONTACTS, json!({"name": 5})).await.invalid(&json!({"name": "Must be a string"}));
        acme.get(&format!("{CONTACTS}/no-id")).await.not_found("Contact not found");
        unauthorized(ask(&app, &[("x-api-key", "hunter2")]).await, "The API key is not valid");
    }
    assert_eq!(sessions(&app).await, before, "each was answered over the one connection");
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_nobody_from_the_database() {
    let (app, acme) = small(2).await;
    let mut waiting = Vec::new();
    for sent in ["", "{\"name\":", "", "{\"name\":"] {
        let mut stream = TcpStream::connect(app.address()).await.unwrap();
        let head = format!(
            "POST {CONTACTS} HTTP/1.1\r\nhost: api\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
             content-length: 14\r\n\r\n{sent}",
            acme.key()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        waiting.push((stream, sent));
    }
    for _ in 0..10 {
        acme.get(CONTACTS).await.page();
    }
    // Those that come after all are read from their beginnings.
    for (stream, sent) in &mut waiting {
        stream.write_all(&b"{\"name\":\"Ada\"}"[sent.len()..]).await.unwrap();
        let mut start = [0; 12];
        tokio::io::AsyncReadExt::read_exact(stream, &mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 201");
    }
    assert_eq!(acme.get(CONTACTS).await.page().pagination["total"], 4);
}

#[tokio::test]
async fn a_request_that_asks_for_leave_to_send_its_body_gets_an_answer_first() {
    let (app, acme) = small(1).await;
    let head = format!(
        "POST {CONTACTS} HTTP/1.1\r\nhost: api\r\nx-api-key: hunter2\r\ncontent-type: application/json\r\n\
         content-length: 14\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    );
    let answer = raw::exchange(app.address(), head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "refused without its body: {answer}");
    let request = acme.request(reqwest::Method::POST, CONTACTS).header("expect", "100-continue");
    Answer::to(request.json(&json!({"name": "Ada"}))).await.created();
}
