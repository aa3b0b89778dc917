//! Bodies that are held back until their credential has ended.

use chrono::TimeDelta;
use serde_json::json;
use shared::scope::Role;
use tests::kit::{CONTACTS, Credential, Tenant, TestApp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BODY: &str = "{\"name\":\"Ada\"}";

/// The heads of a create, of one with a key against repetition and of an import, all waiting to be asked for the body.
fn heads(caller: &Tenant) -> [String; 3] {
    let length = BODY.len();
    let plain = format!(
        "POST {CONTACTS} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n",
        caller.key()
    );
    let kept = plain.replace("connection:", &format!("idempotency-key: {length}\r\nconnection:"));
    let import = plain.replace(CONTACTS, &format!("{CONTACTS}/import?mode=create"));
    [plain, kept, import.replace("application/json", "application/x-ndjson")]
}

/// What is answered to a body that is sent when it has been asked for and `meanwhile` has happened.
async fn answer(app: &TestApp, head: &str, meanwhile: impl AsyncFnOnce()) -> String {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n", "{head}");
    meanwhile().await;
    stream.write_all(BODY.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_body_that_is_held_back_gets_nothing_past_the_revocation_of_its_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for head in heads(&acme) {
        app.database.execute("update api_keys set active = true").await;
        let revoked = answer(&app, &head, async || {
            app.database.execute("update api_keys set active = false").await;
            app.advance(TimeDelta::seconds(2));
        });
        let answer = revoked.await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{head}: {answer}");
    }
    app.database.execute("update api_keys set active = true").await;
    assert_eq!(acme.get(CONTACTS).await.page().pagination["total"], 0);
}

#[tokio::test]
async fn nor_past_the_rotation_that_leaves_its_secret_no_time() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let made = acme.post("/api/v1/api-keys", json!({"name": "CI", "scopes": ["contacts:write"]}));
    let made = made.await.created();
    let rotate = format!("/api/v1/api-keys/{}/rotate", made["id"].as_str().unwrap());
    let leaked = acme.with(Credential::ApiKey(made["key"].as_str().unwrap().to_owned()));
    let [head, ..] = heads(&leaked);
    let answer = answer(&app, &head, async || {
        app.advance(TimeDelta::seconds(2));
        acme.post(&rotate, json!({"overlapSeconds": 0})).await.ok();
    });
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn nor_past_the_removal_of_its_user_while_the_token_expires_and_a_token_that_only_expires_was_in_time()
 {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (active, status) in [(true, "HTTP/1.1 20"), (false, "HTTP/1.1 401 ")] {
        for at in 0..3 {
            app.database.execute("update users set active = true").await;
            let user = acme.with_role(Role::Admin).await;
            let head = &heads(&user)[at];
            let answer = answer(&app, head, async || {
                app.database.execute(&format!("update users set active = {active}")).await;
                app.advance(TimeDelta::minutes(30));
            });
            let answer = answer.await;
            assert!(answer.starts_with(status), "{answer}");
        }
    }
    assert_eq!(acme.get(CONTACTS).await.page().pagination["total"], 3);
}
