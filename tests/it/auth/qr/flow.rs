//! The whole way from the code on the screen to the tokens.

use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, Credential, Program, Tenant, TestApp};

use super::{Desktop, PATH, generate, phone};

#[tokio::test]
async fn a_phone_approves_a_desktop_which_then_works_as_the_phones_user() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let phone = phone(&acme).await;
    let request = app.request(Method::POST, &format!("{PATH}/generate"));
    let request = request.header("user-agent", "Desktop/1.0");
    let answer = Answer::to(request.json(&json!({"deviceName": "Chrome on macOS"}))).await;
    assert_eq!(answer.header("cache-control"), "no-store, private");
    let location = answer.header("location").to_owned();
    let made = answer.created();
    assert_eq!(location, format!("{PATH}/{}", made["id"].as_str().unwrap()));
    assert_eq!((&made["status"], &made["pollIntervalMs"]), (&json!("pending"), &json!(2000)));
    assert_eq!(made["expiresAt"], "2026-01-02T03:05:05.678Z");
    assert_eq!(made["links"]["token"], format!("{location}/token"));
    let payload = made["qrPayload"].as_str().unwrap();
    let (page, token) = payload.split_once('#').expect("the token is in the fragment");
    assert_eq!(page, "https://crm.example/qr");
    assert!(made["qrSvg"].as_str().unwrap().contains("<svg"), "{}", made["qrSvg"]);
    assert!(made["pollSecret"].as_str().unwrap().starts_with("qps_"));

    let scanned = phone.post(&format!("{PATH}/scan"), json!({"qrToken": token})).await.ok();
    assert_eq!((&scanned["id"], &scanned["status"]), (&made["id"], &json!("scanned")));
    assert_eq!(scanned["expiresAt"], "2026-01-02T03:06:05.678Z");
    assert_eq!(scanned["sameNetwork"], true);
    let requester = json!({
        "deviceName": "Chrome on macOS", "ipAddress": "127.0.0.1", "userAgent": "Desktop/1.0",
        "requestedAt": "2026-01-02T03:04:05.678Z",
    });
    assert_eq!(scanned["requester"], requester);

    let decision = json!({
        "linkToken": scanned["linkToken"], "decision": "approve", "matchCode": made["matchCode"],
    });
    let linked = phone.post(&format!("{PATH}/link"), decision).await.ok();
    assert_eq!(linked, json!({"id": made["id"], "status": "linked"}));
    let polled = app.request(Method::GET, &location);
    let polled = polled.header("x-qr-poll-secret", made["pollSecret"].as_str().unwrap());
    let polled = Answer::to(polled).await.ok();
    let expected = json!({
        "id": made["id"], "status": "linked", "expiresAt": "2026-01-02T03:05:05.678Z", "pollIntervalMs": 2000,
    });
    assert_eq!(polled, expected);

    let token = app.request(Method::POST, &format!("{location}/token"));
    let token = token.json(&json!({"pollSecret": made["pollSecret"]}));
    let signed_in = Answer::to(token).await.ok();
    assert_eq!((&signed_in["tokenType"], &signed_in["expiresIn"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(signed_in["refreshExpiresIn"], 604_800);
    assert_eq!(signed_in["session"]["createdVia"], "qr");
    assert_eq!(signed_in["user"]["role"], "member");
    assert_eq!(signed_in["tenant"], json!({"id": acme.id, "name": "acme"}));
    let desktop = acme.with(Credential::Bearer(signed_in["accessToken"].as_str().unwrap().into()));
    let contact = desktop.post(CONTACTS, json!({"name": "Ada"})).await.created();
    assert_eq!(contact["tenantId"], json!(acme.id));
}

/// What the tenant's audit log says of signing in by QR code: actions and kinds of actors, in the order of their names.
async fn moves(app: &TestApp, tenant: &Tenant) -> Vec<(String, String)> {
    sqlx::query_as(
        "select action, actor_type from audit_log where tenant_id = $1
         and action not like 'tenant.%' and action not like 'user.%' and action not like 'api_key.%'
         and not (action = 'session.created' and after->>'createdVia' = 'admin') order by action",
    )
    .bind(tenant.id.0)
    .fetch_all(app.database.admin())
    .await
    .unwrap()
}

fn by_user(action: &str) -> (String, String) {
    (action.to_owned(), "user".to_owned())
}

#[tokio::test]
async fn every_move_in_a_tenant_is_kept_in_its_audit_log() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let phone = phone(&acme).await;
    let desktop = Desktop::start(&app).await;
    let link_token = desktop.scan(&phone).await;
    let wrong = json!({"linkToken": link_token, "matchCode": desktop.wrong_code()});
    super::decide(&phone, wrong).await.problem(400, "VALIDATION_ERROR");
    desktop.approve(&phone, &link_token).await.ok();
    desktop.redeem().await.ok();
    let actions = [
        "qr_session.consumed",
        "qr_session.linked",
        "qr_session.mismatched",
        "qr_session.scanned",
        "session.created",
    ];
    assert_eq!(moves(&app, &acme).await, actions.map(by_user));
}

#[tokio::test]
async fn a_denial_and_one_by_wrong_codes_are_kept_in_the_audit_log() {
    let app = TestApp::start().await;
    let (denied, scanned) = ("qr_session.denied", "qr_session.scanned");
    let (acme, desktop) = (app.tenant("acme").await, Desktop::start(&app).await);
    let phone_of_acme = phone(&acme).await;
    let token = desktop.scan(&phone_of_acme).await;
    super::decide(&phone_of_acme, json!({"linkToken": token, "decision": "deny"})).await.ok();
    assert_eq!(moves(&app, &acme).await, [denied, scanned].map(by_user));

    let (globex, desktop) = (app.tenant("globex").await, Desktop::start(&app).await);
    let phone = phone(&globex).await;
    let token = desktop.scan(&phone).await;
    let wrong = json!({"linkToken": token, "matchCode": desktop.wrong_code()});
    for _ in 0..3 {
        super::decide(&phone, wrong.clone()).await.problem(400, "VALIDATION_ERROR");
    }
    let wrong = "qr_session.mismatched";
    assert_eq!(moves(&app, &globex).await, [denied, wrong, wrong, scanned].map(by_user));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_may_go_to_different_processes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let user = acme.user(shared::scope::Role::Member).await;
    let url = app.database.app_url();
    let (one, other) = tokio::join!(Program::api(&url, &[]), Program::api(&url, &[]));
    let token = acme.token(user, shared::Clock::system().now()).await;
    let phone = acme.with(Credential::Bearer(token)).through(one.url());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = Answer::to(http.post(format!("{}{PATH}/generate", other.url()))).await.created();
    let (_, qr_token) = made["qrPayload"].as_str().unwrap().split_once('#').unwrap();
    let scanned = phone.post(&format!("{PATH}/scan"), json!({"qrToken": qr_token})).await.ok();
    let decision = json!({"linkToken": scanned["linkToken"], "matchCode": made["matchCode"]});
    phone.post(&format!("{PATH}/link"), decision).await.ok();
    let redeem = format!("{}{PATH}/{}/token", one.url(), made["id"].as_str().unwrap());
    let redeem = http.post(redeem).json(&json!({"pollSecret": made["pollSecret"]}));
    let signed_in = Answer::to(redeem).await.ok();
    let token = signed_in["accessToken"].as_str().unwrap().to_owned();
    acme.with(Credential::Bearer(token)).through(other.url()).get(CONTACTS).await.page();
}

#[tokio::test]
async fn an_address_may_have_ten_sessions_under_way() {
    let app = TestApp::start().await;
    let mut desktops = Vec::new();
    for _ in 0..10 {
        desktops.push(Desktop::start(&app).await);
    }
    generate(&app, json!({})).await.problem(409, "CONFLICT");
    desktops[0].cancel().await.no_content();
    generate(&app, json!({})).await.created();
    generate(&app, json!({})).await.problem(409, "CONFLICT");
    app.advance(chrono::TimeDelta::seconds(60));
    generate(&app, json!({})).await.created();
}

#[tokio::test]
async fn rows_that_ended_a_day_ago_are_swept() {
    let app = TestApp::start().await;
    Desktop::start(&app).await;
    app.advance(chrono::TimeDelta::days(2));
    Desktop::start(&app).await;
    let rows: i64 = sqlx::query_scalar("select count(*) from qr_sessions")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(rows, 1);
}
