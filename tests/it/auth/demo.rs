//! Demo login: off unless the operator says so, and never into a real tenant.

use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, TestApp};

use super::{alive, demo_app, sign_in_as};
use crate::limits::limited;

const PATHS: [&str; 2] = ["/api/auth/demo-login", "/api/v1/auth/demo-login"];

async fn log_in(app: &TestApp, path: &str, body: Value) -> Answer {
    Answer::to(app.request(Method::POST, path).json(&body)).await
}

#[tokio::test]
async fn it_does_not_exist_unless_it_is_switched_on() {
    let app = TestApp::start().await;
    app.demo("demo").await;
    for path in PATHS {
        for body in [json!({}), json!({"role": 5}), json!([])] {
            log_in(&app, path, body).await.not_found("No such route");
        }
    }
}

#[tokio::test]
async fn anyone_signs_in_as_admin_of_the_demo_tenant_on_either_path_without_a_body() {
    let app = demo_app().await;
    for path in PATHS {
        let pair = Answer::to(app.request(Method::POST, path)).await.ok();
        assert_eq!(pair["session"]["createdVia"], "demo");
        assert_eq!(
            (&pair["user"]["role"], &pair["tenant"]["name"]),
            (&json!("admin"), &json!("Demo"))
        );
        assert_eq!((&pair["expiresIn"], &pair["refreshExpiresIn"]), (&json!(900), &json!(604_800)));
        alive(&app, &pair).await;
    }
}

#[tokio::test]
async fn every_role_and_every_demo_tenant_can_be_chosen_and_other_fields_do_not_matter() {
    let app = demo_app().await;
    app.demo("globex").await;
    for role in ["owner", "admin", "member", "read_only"] {
        let pair = sign_in_as(&app, json!({"role": role, "colour": "red", "id": []})).await;
        assert_eq!(pair["user"]["role"], role);
    }
    let pair = sign_in_as(&app, json!({"tenant": "globex"})).await;
    assert_ne!(pair["tenant"]["id"], sign_in_as(&app, json!({})).await["tenant"]["id"]);
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let app = demo_app().await;
    let fault = json!({
        "role": "Must be one of owner, admin, member, read_only", "tenant": "Must be a string",
    });
    log_in(&app, PATHS[0], json!({"tenant": 5, "role": "king"})).await.invalid(&fault);
}

#[tokio::test]
async fn a_real_tenant_is_never_found_whatever_it_is_called() {
    let app = demo_app().await;
    let acme = app.tenant("acme").await;
    app.database.execute("update tenants set name = 'demo' where demo is null").await;
    for name in ["acme", "", "Demo", "%", &acme.id.to_string()] {
        let answer = log_in(&app, PATHS[1], json!({"tenant": name})).await;
        answer.not_found("Demo tenant not found");
    }
    let pair = sign_in_as(&app, json!({})).await;
    assert_ne!(pair["tenant"]["id"], json!(acme.id));
}

#[tokio::test]
async fn a_demo_user_who_was_switched_off_cannot_be_chosen() {
    let app = demo_app().await;
    app.database.execute("update users set active = false where role = 'member'").await;
    let answer = log_in(&app, PATHS[1], json!({"role": "member"})).await;
    answer.not_found("Demo user not found");
}

#[tokio::test]
async fn it_is_limited_by_address_and_by_whom_it_signs_in_as() {
    let app = TestApp::configured(|config| {
        config.demo_login = true;
        limited(&[("RATE_LIMIT_LOGIN", "2/15m")])(config);
    })
    .await;
    app.demo("demo").await;
    for _ in 0..2 {
        log_in(&app, PATHS[0], json!({})).await.ok();
    }
    for path in PATHS {
        let refused = log_in(&app, path, json!({"role": "member"})).await;
        assert!(!refused.header("retry-after").is_empty());
        refused.problem(429, "RATE_LIMITED");
    }
    app.advance(chrono::TimeDelta::hours(1));
    log_in(&app, PATHS[0], json!({})).await.ok();
}
