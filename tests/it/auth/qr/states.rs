//! Every move of the state machine, and every one that is none.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, Tenant, TestApp};

use super::{Desktop, decide, phone, unknown, wrong_state};

/// A session in this state, with what the phone holds of it.
async fn in_state<'a>(app: &'a TestApp, phone: &Tenant, state: &str) -> (Desktop<'a>, String) {
    let desktop = Desktop::start(app).await;
    if state == "pending" {
        return (desktop, String::new());
    }
    if state == "cancelled" {
        desktop.cancel().await.no_content();
        return (desktop, String::new());
    }
    let token = desktop.scan(phone).await;
    match state {
        "scanned" => {}
        "denied" => {
            let answer = decide(phone, json!({"linkToken": token, "decision": "deny"})).await.ok();
            assert_eq!(answer, json!({"id": desktop.id, "status": "denied"}));
        }
        "linked" => {
            desktop.approve(phone, &token).await.ok();
        }
        "consumed" => {
            desktop.approve(phone, &token).await.ok();
            desktop.redeem().await.ok();
            // After the seconds in which the answer may have been lost.
            app.advance(TimeDelta::seconds(11));
        }
        other => panic!("{other}"),
    }
    (desktop, token)
}

#[tokio::test]
async fn every_state_is_reached_and_shown_to_the_desktop() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    for state in ["pending", "scanned", "linked", "consumed", "denied", "cancelled"] {
        let (desktop, _) = in_state(&app, &phone, state).await;
        assert_eq!(desktop.status().await, state);
    }
}

#[tokio::test]
async fn a_desktop_can_give_up_only_before_a_phone_has_scanned() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    for state in ["scanned", "linked", "consumed", "denied", "cancelled"] {
        let (desktop, _) = in_state(&app, &phone, state).await;
        wrong_state(desktop.cancel().await, state);
        assert_eq!(desktop.status().await, state);
    }
}

#[tokio::test]
async fn tokens_are_given_only_after_the_approval() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    for state in ["pending", "scanned", "consumed", "denied", "cancelled"] {
        let (desktop, _) = in_state(&app, &phone, state).await;
        wrong_state(desktop.redeem().await, state);
        assert_eq!(desktop.status().await, state);
    }
}

#[tokio::test]
async fn a_decision_is_made_once() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    for state in ["linked", "consumed", "denied"] {
        let (desktop, token) = in_state(&app, &phone, state).await;
        wrong_state(desktop.approve(&phone, &token).await, state);
        let deny = json!({"linkToken": token, "decision": "deny"});
        wrong_state(decide(&phone, deny).await, state);
        assert_eq!(desktop.status().await, state);
    }
}

#[tokio::test]
async fn what_is_over_or_approved_cannot_be_scanned_again() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    for state in ["linked", "consumed", "denied", "cancelled"] {
        let (desktop, _) = in_state(&app, &phone, state).await;
        wrong_state(desktop.scanned_by(&phone).await, state);
    }
}

#[tokio::test]
async fn the_phone_that_scanned_gets_the_same_answer_again_and_another_one_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (first, second) = (phone(&acme).await, phone(&acme).await);
    let stranger = phone(&app.tenant("globex").await).await;
    let desktop = Desktop::start(&app).await;
    let answer = desktop.scanned_by(&first).await.ok();
    app.advance(TimeDelta::seconds(30));
    assert_eq!(desktop.scanned_by(&first).await.ok(), answer);
    for other in [&second, &stranger] {
        wrong_state(desktop.scanned_by(other).await, "scanned");
        let link = json!({"linkToken": answer["linkToken"], "matchCode": desktop.match_code});
        unknown(decide(other, link).await);
    }
    // Nor does the same user on another device.
    let colleague = acme.as_user(acme.owner).await;
    wrong_state(desktop.scanned_by(&colleague).await, "scanned");
    assert_eq!(desktop.status().await, "scanned");
}

#[tokio::test]
async fn of_many_phones_that_scan_at_once_one_wins() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut phones = Vec::new();
    for _ in 0..5 {
        phones.push(phone(&acme).await);
    }
    let desktop = Desktop::start(&app).await;
    let scans = phones.iter().map(|phone| desktop.scanned_by(phone));
    let answers = futures_util::future::join_all(scans).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((won, lost), (1, 4), "{answers:#?}");
}

#[tokio::test]
async fn of_many_requests_for_the_tokens_every_answer_is_for_the_same_session() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    desktop.link(&phone).await;
    let answers = futures_util::future::join_all((0..5).map(|_| desktop.redeem())).await;
    let sessions: std::collections::BTreeSet<String> =
        answers.into_iter().map(|answer| answer.ok()["session"]["id"].to_string()).collect();
    assert_eq!(sessions.len(), 1);
}

#[tokio::test]
async fn each_state_expires_at_its_own_time() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    for (state, seconds) in [("pending", 60), ("scanned", 120), ("linked", 60)] {
        let (desktop, token) = in_state(&app, &phone, state).await;
        app.advance(TimeDelta::seconds(seconds) - TimeDelta::milliseconds(1));
        assert_eq!(desktop.status().await, state);
        app.advance(TimeDelta::milliseconds(1));
        assert_eq!(desktop.status().await, "expired");
        unknown(desktop.scanned_by(&phone).await);
        wrong_state(desktop.redeem().await, "expired");
        wrong_state(desktop.cancel().await, "expired");
        if state != "pending" {
            wrong_state(desktop.approve(&phone, &token).await, "expired");
        }
    }
}

#[tokio::test]
async fn final_states_do_not_expire() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    for state in ["consumed", "denied", "cancelled"] {
        let (desktop, _) = in_state(&app, &phone, state).await;
        app.advance(TimeDelta::minutes(5));
        assert_eq!(desktop.status().await, state);
    }
}

#[tokio::test]
async fn the_third_wrong_match_code_denies() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    let token = desktop.scan(&phone).await;
    let wrong = json!({"linkToken": token, "matchCode": desktop.wrong_code()});
    for fault in ["Does not match", "Does not match", "Does not match; the sign-in is denied"] {
        assert_eq!(desktop.status().await, "scanned");
        decide(&phone, wrong.clone()).await.invalid(&json!({"matchCode": fault}));
    }
    assert_eq!(desktop.status().await, "denied");
    wrong_state(desktop.approve(&phone, &token).await, "denied");
}

#[tokio::test]
async fn a_wrong_match_code_is_no_end_and_a_rehearsal_is_no_free_guess() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    let token = desktop.scan(&phone).await;
    let wrong = json!({"linkToken": token, "matchCode": desktop.wrong_code()});
    let rehearsed = phone.post(&format!("{}/link?dryRun=true", super::PATH), wrong.clone()).await;
    rehearsed.invalid(&json!({"dryRun": "Unknown parameter"}));
    decide(&phone, wrong).await.invalid(&json!({"matchCode": "Does not match"}));
    desktop.approve(&phone, &token).await.ok();
    assert_eq!(desktop.status().await, "linked");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again_within_ten_seconds_and_voids_the_first() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    desktop.link(&phone).await;
    let lost = desktop.redeem().await.ok();
    app.advance(TimeDelta::seconds(10));
    let again = desktop.redeem().await.ok();
    assert_eq!(again["session"], lost["session"]);
    super::super::alive(&app, &again).await;
    super::super::dead(&app, &lost).await;
    app.advance(TimeDelta::milliseconds(1));
    wrong_state(desktop.redeem().await, "consumed");
}

#[tokio::test]
async fn a_pair_that_was_used_is_not_given_again() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    desktop.link(&phone).await;
    let pair = desktop.redeem().await.ok();
    let refresh = app.request(Method::POST, "/api/v1/auth/refresh");
    Answer::to(refresh.json(&json!({"refreshToken": pair["refreshToken"]}))).await.ok();
    wrong_state(desktop.redeem().await, "consumed");
}

#[tokio::test]
async fn a_phone_that_signed_out_or_a_user_who_was_switched_off_signs_nobody_in() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (first, second) = (phone(&acme).await, phone(&acme).await);
    let desktop = Desktop::start(&app).await;
    desktop.link(&first).await;
    first.post("/api/v1/auth/logout", json!({})).await.no_content();
    wrong_state(desktop.redeem().await, "linked");

    let desktop = Desktop::start(&app).await;
    desktop.link(&second).await;
    app.database.execute("update users set active = false where role = 'member'").await;
    desktop.redeem().await.not_found("User not found");
}
