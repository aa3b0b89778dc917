//! Callers who come at once: their look-ups go together (docs/decisions/0044).

use api::auth::api_key;
use futures_util::future::join_all;
use serde_json::json;
use shared::scope::Role;
use tests::kit::{Answer, CONTACTS, Credential, TestApp};

use super::connections::sessions;
use super::{ask, unauthorized};

const LOCK: &str = "lock table api_keys, sessions in access exclusive mode";

/// Answers that all wait for the same lock, which is let go when so many sessions of the database wait for it.
async fn at_once<F: Future<Output = Answer>>(
    app: &TestApp,
    sessions: i64,
    requests: impl IntoIterator<Item = F>,
) -> Vec<Answer> {
    let hold = app.database.hold(LOCK).await;
    let let_go = async {
        app.database.waiting(sessions).await;
        hold.release().await;
    };
    tokio::join!(join_all(requests), let_go).0
}

#[tokio::test]
async fn each_is_told_what_is_its_own() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let mut callers = Vec::new();
    for name in ["acme", "globex", "initech"] {
        let tenant = app.tenant(name).await;
        tenant.post(CONTACTS, json!({"name": name})).await.created();
        let person = tenant.with_role(Role::Member).await;
        callers.extend([(name, tenant), (name, person)]);
    }
    // One statement for the keys and one for the sessions, at least.
    let callers = || callers.iter().cycle().take(30);
    let answers = at_once(&app, 2, callers().map(|(_, caller)| caller.get(CONTACTS))).await;
    for ((name, _), answer) in callers().zip(answers) {
        assert_eq!(answer.page().names(), [*name]);
    }
}

#[tokio::test]
async fn a_stranger_among_them_is_refused_alone() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let stranger = acme.with(Credential::ApiKey(api_key::generate().text.expose().clone()));
    let callers = || [&acme, &stranger].into_iter().cycle().take(20);
    let answers = at_once(&app, 1, callers().map(|caller| caller.get(CONTACTS))).await;
    for (caller, answer) in callers().zip(answers) {
        if caller.key() == acme.key() {
            answer.page();
        } else {
            unauthorized(answer, "The API key is not valid");
        }
    }
}

#[tokio::test]
async fn however_many_come_their_look_ups_take_two_connections_at_most() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let keys: Vec<_> = (0..20).map(|_| api_key::generate().text).collect();
    let headers: Vec<_> = keys.iter().map(|key| [("x-api-key", key.expose().as_str())]).collect();
    for answer in at_once(&app, 1, headers.iter().map(|headers| ask(&app, headers))).await {
        unauthorized(answer, "The API key is not valid");
    }
    let sessions = sessions(&app).await;
    assert!(sessions.len() <= 2, "{sessions:?}");
}

#[tokio::test]
async fn who_leaves_takes_nobody_along() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let hold = app.database.hold(LOCK).await;
    let leaves = tokio::spawn(acme.request(reqwest::Method::GET, CONTACTS).send());
    app.database.waiting(1).await;
    let stays = tokio::spawn(acme.request(reqwest::Method::GET, CONTACTS).send());
    app.database.waiting(2).await;
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    hold.release().await;
    assert_eq!(stays.await.unwrap().unwrap().status(), 200);
}
