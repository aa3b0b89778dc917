//! How long the issuer's keys are kept, and what happens while it is away.

use std::time::Duration;

use chrono::TimeDelta;
use tests::kit::{Answer, CONTACTS, DISCOVERY, IssuerKey, JWKS, Reply, until};

use super::World;

#[track_caller]
fn unavailable(answer: Answer) {
    assert_eq!(answer.header("retry-after"), "1");
    answer.problem(503, "SERVICE_UNAVAILABLE");
}

#[tokio::test]
async fn keys_are_asked_for_once_in_ten_minutes_and_a_withdrawn_one_works_no_longer() {
    let world = World::new().await;
    for _ in 0..3 {
        world.ask(world.token()).await.page();
    }
    assert_eq!(world.issuer.asked(), [DISCOVERY, JWKS]);
    let second = IssuerKey::new("second");
    world.issuer.rotate(&[&second]);
    world.app.advance(TimeDelta::seconds(599));
    world.ask(world.token()).await.page();
    assert_eq!(world.fetches(), 1);
    world.app.advance(TimeDelta::seconds(1));
    world.refuses(world.token()).await;
    assert_eq!(world.fetches(), 2);
    world.ask(second.sign(&world.claims())).await.page();
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_unknown_ones_are_asked_for_every_half_minute() {
    let world = World::new().await;
    world.ask(world.token()).await.page();
    let (second, stranger) = (IssuerKey::new("second"), IssuerKey::new("stranger"));
    world.app.advance(TimeDelta::seconds(30));
    world.issuer.rotate(&[&world.key, &second]);
    world.ask(second.sign(&world.claims())).await.page();
    assert_eq!(world.fetches(), 2);
    for (seconds, fetches) in [(0, 2), (29, 2), (1, 3), (0, 3), (30, 4)] {
        world.app.advance(TimeDelta::seconds(seconds));
        world.refuses(stranger.sign(&world.claims())).await;
        assert_eq!(world.fetches(), fetches, "{seconds} s later");
    }
    world.ask(world.token()).await.page();
    assert_eq!(world.fetches(), 4);
}

#[tokio::test]
async fn what_cannot_be_judged_is_neither_refused_nor_a_fault_of_ours_and_heals_by_itself() {
    let world = World::new().await;
    world.issuer.go_away().await;
    unavailable(world.ask(world.token()).await);
    world.issuer.come_back().await;
    // As it is told, so it may come again.
    unavailable(world.ask(world.token()).await);
    world.app.advance(TimeDelta::seconds(1));
    world.ask(world.token()).await.page();
}

#[tokio::test]
async fn an_issuer_that_has_no_key_for_a_while_signs_nobody_out() {
    let world = World::new().await;
    world.ask(world.token()).await.page();
    world.issuer.rotate(&[]);
    world.app.advance(TimeDelta::minutes(11));
    world.ask(world.token()).await.page();
    unavailable(world.ask(IssuerKey::new("second").sign(&world.claims())).await);
}

#[tokio::test]
async fn while_the_issuer_is_away_its_last_keys_work_for_a_day() {
    let world = World::new().await;
    let stranger = IssuerKey::new("stranger");
    world.ask(world.token()).await.page();
    world.issuer.go_away().await;
    world.app.advance(TimeDelta::hours(23));
    world.ask(world.token()).await.page();
    // It may be a new one.
    unavailable(world.ask(stranger.sign(&world.claims())).await);
    world.app.advance(TimeDelta::hours(1));
    unavailable(world.ask(world.token()).await);
    world.issuer.come_back().await;
    world.app.advance(TimeDelta::seconds(1));
    world.ask(world.token()).await.page();
    world.refuses(stranger.sign(&world.claims())).await;
}

#[tokio::test]
async fn while_the_issuer_is_away_one_request_in_half_a_minute_looks_for_it() {
    let world = World::new().await;
    world.ask(world.token()).await.page();
    world.issuer.answer(JWKS, Reply::status(500));
    world.app.advance(TimeDelta::hours(1));
    for (seconds, fetches) in [(0, 2), (29, 2), (1, 3), (29, 3)] {
        world.app.advance(TimeDelta::seconds(seconds));
        world.ask(world.token()).await.page();
        assert_eq!(world.fetches(), fetches, "{seconds} s later");
    }
}

#[tokio::test]
async fn requests_that_come_together_are_served_by_one_fetch() {
    let world = World::new().await;
    let keys = Reply::status(200).body(serde_json::json!({"keys": [world.key.jwk()]}).to_string());
    world.issuer.answer(JWKS, keys.after(Duration::from_millis(300)));
    let ask = || world.ask(world.token());
    let answers = tokio::join!(ask(), ask(), ask(), ask());
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        answer.page();
    }
    assert_eq!(world.issuer.asked(), [DISCOVERY, JWKS]);
}

#[tokio::test]
async fn while_one_request_waits_for_an_issuer_that_hangs_the_others_go_on() {
    let world = World::new().await;
    world.ask(world.token()).await.page();
    world.issuer.answer(JWKS, Reply::status(500));
    world.app.advance(TimeDelta::hours(1));
    world.ask(world.token()).await.page();
    world.issuer.answer(JWKS, Reply::status(200).after(Duration::from_hours(1)));
    world.app.advance(TimeDelta::seconds(30));
    let patient = world.by(world.token());
    let waiting = tokio::spawn(async move { patient.get(CONTACTS).await });
    until("the issuer is asked", async || world.fetches() == 3).await;
    world.ask(world.token()).await.page();
    assert!(!waiting.is_finished() && world.fetches() == 3);
}
