//! Refresh tokens: each works once, and one that comes back tells of a thief.

use api::users::UserPatch;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::db::Origin;
use shared::id::{TenantId, UserId};
use tests::kit::{Answer, TestApp};

use super::{alive, dead, demo_app, sign_in, sign_in_as, unauthorized};
use crate::limits::limited;

const INVALID: &str = "The refresh token is not valid";

pub async fn refresh(app: &TestApp, pair: &Value) -> Answer {
    let request = app.request(Method::POST, "/api/v1/auth/refresh");
    Answer::to(request.json(&json!({"refreshToken": pair["refreshToken"]}))).await
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_a_fresh_pair_of_the_same_session() {
    let app = demo_app().await;
    let first = sign_in(&app).await;
    app.advance(TimeDelta::minutes(14));
    let second = refresh(&app, &first).await.ok();
    assert_eq!(
        (&second["session"], &second["user"], &second["tenant"]),
        (&first["session"], &first["user"], &first["tenant"])
    );
    assert!(second["refreshToken"].as_str().unwrap().starts_with("crt_"));
    for token in ["accessToken", "refreshToken"] {
        assert_ne!(second[token], first[token]);
    }
    // Both access tokens live out their time.
    alive(&app, &first).await;
    alive(&app, &second).await;
    app.advance(TimeDelta::minutes(2));
    dead(&app, &first).await;
    alive(&app, &second).await;
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let app = demo_app().await;
    let pair = sign_in(&app).await;
    let long = "x".repeat(4_000);
    for token in ["", "crt_", "hunter2", &long, pair["accessToken"].as_str().unwrap()] {
        unauthorized(refresh(&app, &json!({"refreshToken": token})).await, INVALID);
    }
    let request = app.request(Method::POST, "/api/v1/auth/refresh");
    let answer = Answer::to(request.json(&json!({"refreshToken": 5, "x": 1}))).await;
    answer.invalid(&json!({"refreshToken": "Must be a string", "x": "Unknown field"}));
    let request = app.request(Method::POST, "/api/v1/auth/refresh");
    let large = Answer::to(request.json(&json!({"refreshToken": "x".repeat(9_000)}))).await;
    large.problem(413, "PAYLOAD_TOO_LARGE");
    let request = app.request(Method::POST, "/api/v1/auth/refresh").json(&json!({}));
    Answer::to(request).await.invalid(&json!({"refreshToken": "Is required"}));
    let access = pair["accessToken"].as_str().unwrap();
    let request = app.request(Method::GET, tests::kit::CONTACTS);
    unauthorized(
        Answer::to(request.bearer_auth(pair["refreshToken"].as_str().unwrap())).await,
        "The access token is not valid",
    );
    let request = app.request(Method::GET, tests::kit::CONTACTS).bearer_auth(access);
    Answer::to(request).await.page();
}

#[tokio::test]
async fn a_token_used_again_after_ten_seconds_revokes_the_session_whoever_holds_it() {
    let app = demo_app().await;
    let other = sign_in(&app).await;
    let first = sign_in(&app).await;
    let second = refresh(&app, &first).await.ok();
    app.advance(TimeDelta::seconds(10) + TimeDelta::milliseconds(1));
    unauthorized(refresh(&app, &first).await, INVALID);
    unauthorized(refresh(&app, &second).await, INVALID);
    dead(&app, &second).await;
    alive(&app, &other).await;
    let reason: String =
        sqlx::query_scalar("select revoked_reason from sessions where revoked_at is not null")
            .fetch_one(app.database.admin())
            .await
            .unwrap();
    assert_eq!(reason, "token_reuse");
    let audited: i64 = sqlx::query_scalar(
        "select count(*) from audit_log where action = 'session.revoked' and after->>'revokedReason' = 'token_reuse'",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert_eq!(audited, 1);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_within_ten_seconds_and_the_lost_pair_is_void() {
    let app = demo_app().await;
    let first = sign_in(&app).await;
    let lost = refresh(&app, &first).await.ok();
    app.advance(TimeDelta::seconds(10));
    let again = refresh(&app, &first).await.ok();
    alive(&app, &again).await;
    dead(&app, &lost).await;
    refresh(&app, &again).await.ok();
}

#[tokio::test]
async fn a_lost_pair_that_turns_up_after_all_revokes_the_session() {
    let app = demo_app().await;
    let first = sign_in(&app).await;
    let lost = refresh(&app, &first).await.ok();
    let again = refresh(&app, &first).await.ok();
    unauthorized(refresh(&app, &lost).await, INVALID);
    dead(&app, &again).await;
}

#[tokio::test]
async fn an_answer_whose_pair_was_used_was_not_lost() {
    let app = demo_app().await;
    let first = sign_in(&app).await;
    let second = refresh(&app, &first).await.ok();
    let third = refresh(&app, &second).await.ok();
    unauthorized(refresh(&app, &first).await, INVALID);
    dead(&app, &third).await;
}

#[tokio::test]
async fn of_refreshes_at_the_same_time_the_last_answer_is_good() {
    let app = demo_app().await;
    let first = sign_in(&app).await;
    let answers = futures_util::future::join_all((0..5).map(|_| refresh(&app, &first))).await;
    let pairs: Vec<Value> = answers.into_iter().map(Answer::ok).collect();
    let good = futures_util::future::join_all(pairs.iter().map(|pair| super::works(&app, pair)));
    assert_eq!(good.await.into_iter().filter(|works| *works).count(), 1);
    let live: i64 = sqlx::query_scalar(
        "select count(*) from refresh_tokens where used_at is null and voided_at is null",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert_eq!(live, 1);
}

#[tokio::test]
async fn a_session_ends_after_a_week_without_a_refresh_and_after_thirty_days_in_any_case() {
    let app = demo_app().await;
    let idle = sign_in(&app).await;
    let mut pair = sign_in(&app).await;
    let almost = TimeDelta::days(7) - TimeDelta::milliseconds(1);
    for _ in 0..4 {
        app.advance(almost);
        pair = refresh(&app, &pair).await.ok();
    }
    // Four weeks and four milliseconds less: two days are left.
    assert_eq!(pair["refreshExpiresIn"], 2 * 24 * 3600);
    unauthorized(refresh(&app, &idle).await, INVALID);
    app.advance(TimeDelta::days(2) - TimeDelta::minutes(5));
    pair = refresh(&app, &pair).await.ok();
    assert_eq!((&pair["expiresIn"], &pair["refreshExpiresIn"]), (&json!(300), &json!(300)));
    app.advance(TimeDelta::minutes(6));
    unauthorized(refresh(&app, &pair).await, INVALID);
    dead(&app, &pair).await;
}

#[tokio::test]
async fn a_user_who_was_switched_off_gets_no_fresh_pair() {
    let app = demo_app().await;
    let pair = sign_in(&app).await;
    app.database.execute("update users set active = false").await;
    unauthorized(refresh(&app, &pair).await, INVALID);
    dead(&app, &pair).await;
}

#[tokio::test]
async fn tokens_older_than_a_week_and_sessions_that_ended_a_month_ago_are_swept() {
    let app = demo_app().await;
    let first = sign_in(&app).await;
    app.advance(TimeDelta::days(4));
    let second = refresh(&app, &first).await.ok();
    app.advance(TimeDelta::days(4));
    refresh(&app, &second).await.ok();
    let count = async |table: &str| -> i64 {
        let sql = format!("select count(*) from {table}");
        let sql = sqlx::AssertSqlSafe(sql);
        sqlx::query_scalar(sql).fetch_one(app.database.admin()).await.unwrap()
    };
    assert_eq!(count("refresh_tokens").await, 2);
    // The first one is unknown by now, so it revokes nothing.
    unauthorized(refresh(&app, &first).await, INVALID);
    app.advance(TimeDelta::days(60));
    sign_in(&app).await;
    assert_eq!((count("sessions").await, count("refresh_tokens").await), (1, 1));
}

#[tokio::test]
async fn refreshes_are_limited_by_session_and_not_by_address() {
    let app = TestApp::configured(|config| {
        config.demo_login = true;
        limited(&[("RATE_LIMIT_REFRESH", "2/15m")])(config);
    })
    .await;
    app.demo("demo").await;
    let (mut mine, other) = (sign_in(&app).await, sign_in(&app).await);
    for left in ["1", "0"] {
        let answer = refresh(&app, &mine).await;
        let said = ["ratelimit-policy", "x-ratelimit-remaining"].map(|name| answer.header(name));
        assert_eq!(said, ["\"refresh\";q=2;w=900", left]);
        mine = answer.ok();
    }
    refresh(&app, &mine).await.problem(429, "RATE_LIMITED");
    refresh(&app, &other).await.ok();
    // A refused one is not used up.
    app.advance(TimeDelta::hours(1));
    refresh(&app, &mine).await.ok();
}

#[tokio::test]
async fn refreshes_of_different_sessions_are_writes_of_one_address() {
    for (limit, third) in [("RATE_LIMIT_WRITE", 429), ("RATE_LIMIT_REFRESH", 200)] {
        let app = TestApp::configured(|config| {
            config.demo_login = true;
            limited(&[(limit, "2/15m")])(config);
        })
        .await;
        app.demo("demo").await;
        for status in [200, 200, third] {
            let answer = refresh(&app, &sign_in(&app).await).await;
            assert_eq!(answer.status, status, "{limit}: {:#}", answer.body);
            if status == 429 {
                assert_eq!(answer.body["details"]["policy"], "write");
            }
        }
        // Who has a credential is counted by it.
        let acme = app.tenant("acme").await;
        acme.post(tests::kit::CONTACTS, json!({"name": "Ada"})).await.created();
    }
}

#[tokio::test]
async fn sessions_of_a_user_that_is_deactivated_do_not_come_back_with_it() {
    let app = demo_app().await;
    let pair = sign_in_as(&app, json!({"role": "member"})).await;
    let id = |record: &Value| record["id"].as_str().unwrap().parse().unwrap();
    let (user, tenant) = (UserId(id(&pair["user"])), TenantId(id(&pair["tenant"])));
    for active in [false, true] {
        let mut tx = app.api.db.tenant(tenant, Origin::default()).await.unwrap();
        let patch = UserPatch { active: Some(active), role: None };
        let changed = api::users::update(&mut tx, user, patch).await;
        assert_eq!(tx.finish(changed).await.unwrap().active, active);
        dead(&app, &pair).await;
        unauthorized(refresh(&app, &pair).await, INVALID);
    }
    sign_in_as(&app, json!({"role": "member"})).await;
}
