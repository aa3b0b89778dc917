//! What a session makes of itself by approving others: it ends with it where it may be a stranger's.

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{Credential, Tenant, TestApp};

use super::qr::{Desktop, decide};
use super::refresh::refresh;
use super::{alive, dead, demo_app, sign_in};

const SESSIONS: &str = "/api/v1/auth/sessions";

fn holder(any: &Tenant, pair: &Value) -> Tenant {
    any.with(Credential::Bearer(pair["accessToken"].as_str().unwrap().into()))
}

fn at(pair: &Value) -> String {
    format!("{SESSIONS}/{}", pair["session"]["id"].as_str().unwrap())
}

/// A pair of tokens of a session that this one approved.
async fn approved_by(app: &TestApp, any: &Tenant, pair: &Value) -> Value {
    let desktop = Desktop::start(app).await;
    desktop.link(&holder(any, pair)).await;
    desktop.redeem().await.ok()
}

#[tokio::test]
async fn a_refresh_token_that_came_twice_ends_what_its_session_approved_and_nothing_else() {
    let app = demo_app().await;
    let any = app.tenant("any").await;
    let (other, mine) = (sign_in(&app).await, sign_in(&app).await);
    let child = approved_by(&app, &any, &mine).await;
    let grandchild = approved_by(&app, &any, &child).await;
    let fresh = refresh(&app, &mine).await.ok();
    app.advance(TimeDelta::seconds(11));
    refresh(&app, &mine).await.problem(401, "UNAUTHORIZED");
    for gone in [&fresh, &child, &grandchild] {
        dead(&app, gone).await;
    }
    alive(&app, &other).await;
    let audited: i64 = sqlx::query_scalar(
        "select count(*) from audit_log where action = 'session.revoked' and after->>'revokedReason' = 'token_reuse'",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert_eq!(audited, 3);
}

#[tokio::test]
async fn a_session_that_is_ended_takes_what_it_approved_along_and_one_that_signs_out_does_not() {
    let app = demo_app().await;
    let any = app.tenant("any").await;
    let (me, stolen) = (sign_in(&app).await, sign_in(&app).await);
    let child = approved_by(&app, &any, &stolen).await;
    let listed = holder(&any, &me).get(SESSIONS).await.page().items;
    let child_listed = listed.iter().find(|one| one["id"] == child["session"]["id"]).unwrap();
    assert_eq!(child_listed["approvedBy"], stolen["session"]["id"]);
    holder(&any, &me).delete(&at(&stolen)).await.no_content();
    dead(&app, &child).await;

    let desktop = approved_by(&app, &any, &me).await;
    holder(&any, &me).post("/api/v1/auth/logout", json!({})).await.no_content();
    alive(&app, &desktop).await;
}

#[tokio::test]
async fn what_a_stolen_session_approved_ends_although_the_thief_has_signed_it_out() {
    let app = demo_app().await;
    let any = app.tenant("any").await;
    let mine = sign_in(&app).await;
    let stolen = refresh(&app, &mine).await.ok();
    let child = approved_by(&app, &any, &stolen).await;
    holder(&any, &stolen).post("/api/v1/auth/logout", json!({})).await.no_content();
    app.advance(TimeDelta::seconds(11));
    refresh(&app, &mine).await.problem(401, "UNAUTHORIZED");
    dead(&app, &child).await;
}

#[tokio::test]
async fn whoever_is_switched_off_or_signed_out_everywhere_meanwhile_is_not_signed_in() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let user = acme.user(Role::Member).await;
    let phone = acme.as_user(user).await;
    let desktop = Desktop::start(&app).await;
    desktop.link(&phone).await;
    let off = format!("update users set active = false where id = '{user}'");
    let hold = app.database.hold(&off).await;
    let (redeemed, ()) = tokio::join!(desktop.redeem(), async {
        app.database.waiting(1).await;
        hold.commit().await;
    });
    redeemed.not_found("User not found");

    app.database.execute(&format!("update users set active = true where id = '{user}'")).await;
    let phone = acme.as_user(user).await;
    let desktop = Desktop::start(&app).await;
    desktop.link(&phone).await;
    let hold = app
        .database
        .hold(&format!(
            "select from users where id = '{user}' for no key update;
             update sessions set revoked_at = now(), revoked_reason = 'logout_all' where user_id = '{user}'"
        ))
        .await;
    let (redeemed, ()) = tokio::join!(desktop.redeem(), async {
        app.database.waiting(1).await;
        hold.commit().await;
    });
    assert_eq!(redeemed.problem(409, "QR_SESSION_STATE")["details"], json!({"status": "linked"}));
    let living: i64 = sqlx::query_scalar("select count(*) from sessions where revoked_at is null")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(living, 0);
    decide(&phone, json!({"linkToken": "ql_"})).await.problem(401, "UNAUTHORIZED");
}
