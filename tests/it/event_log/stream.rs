//! Following the log live.

use chrono::TimeDelta;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::scope::{Role, Scope};
use tests::kit::{CONTACTS, Credential, EventStream, Program, Tenant, TestApp, until};

use super::{EVENTS, numbers, page};

/// The stream as a tenant asks for it.
fn asked(tenant: &Tenant, query: &str) -> RequestBuilder {
    tenant.request(Method::GET, &format!("{EVENTS}/stream{query}"))
}

pub(super) async fn follow(tenant: &Tenant, query: &str) -> EventStream {
    EventStream::of(asked(tenant, query)).await
}

/// The next message: its id, and its data as JSON.
pub(super) async fn next(following: &mut EventStream) -> (i64, Value) {
    let message = following.next().await;
    let line = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    (line("id: ").parse().unwrap(), serde_json::from_str(line("data: ")).unwrap())
}

#[tokio::test]
async fn a_follower_hears_what_was_and_then_what_comes_as_the_pages_tell_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 250).await;
    let worker = app.worker();
    worker.relay().await.unwrap();
    let mut following = follow(&acme, "?after=100").await;
    for number in 101..=250 {
        assert_eq!(next(&mut following).await.0, number);
    }
    for number in 251..=253 {
        acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
        worker.relay().await.unwrap();
        let (id, event) = next(&mut following).await;
        assert_eq!(id, number);
        assert_eq!(page(&acme, &format!("after={}", number - 1)).await.0, [event]);
    }
}

#[tokio::test]
async fn without_a_number_only_new_events_are_told_and_only_those_wanted_of_ones_own_tenant() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    app.announce(&acme, "contact.created", 2).await;
    let worker = app.worker();
    worker.relay().await.unwrap();
    let mut following = follow(&acme, "?event=lead.*").await;
    for (tenant, event) in
        [(&other, "lead.created"), (&acme, "contact.created"), (&acme, "lead.updated")]
    {
        app.announce(tenant, event, 1).await;
        worker.relay().await.unwrap();
    }
    let (id, event) = next(&mut following).await;
    assert_eq!((id, &event["event"]), (4, &json!("lead.updated")));
}

#[tokio::test]
async fn a_number_is_told_of_what_was_passed_over_so_that_nobody_begins_with_it_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut following = follow(&acme, "?event=lead.*").await;
    app.announce(&acme, "contact.created", 3).await;
    app.worker().relay().await.unwrap();
    while !following.text.contains("id: 3\n\n") && !following.text.contains(":\n\n") {
        assert!(following.more().await, "the answer ended");
    }
    assert_eq!(following.text, "id: 0\n\nid: 3\n\n");
    app.announce(&acme, "lead.created", 1).await;
    app.worker().relay().await.unwrap();
    assert_eq!(next(&mut following).await.0, 4);
}

/// Expects that this reader hears of a change before the end, and of none after it.
async fn hears_no_more(app: &TestApp, reader: &Tenant, end: impl AsyncFnOnce()) {
    let worker = app.worker();
    let mut following = follow(reader, "").await;
    app.announce(reader, "contact.created", 1).await;
    worker.relay().await.unwrap();
    next(&mut following).await;
    end().await;
    app.announce(reader, "contact.updated", 1).await;
    worker.relay().await.unwrap();
    while following.more().await {
        assert!(!following.text.contains("contact.updated"), "{}", following.text);
    }
}

#[tokio::test]
async fn whose_credential_was_revoked_hears_no_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for end in [
        "update api_keys set revoked_at = now() where name = 'Limited'",
        "update api_keys set scopes = '{contacts:read}' where name = 'Limited'",
    ] {
        let reader = acme.with_scopes(&[Scope::WebhooksRead]).await;
        hears_no_more(&app, &reader, async || app.database.execute(end).await).await;
    }
}

#[tokio::test]
async fn who_signed_out_or_was_switched_off_or_whose_token_is_too_old_hears_no_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let reader = acme.with_role(Role::ReadOnly).await;
    let sign_out = async || reader.post("/api/v1/auth/logout", json!({})).await.no_content();
    hears_no_more(&app, &reader, sign_out).await;
    let reader = acme.with_role(Role::ReadOnly).await;
    let switch_off = "update users set active = false where role = 'read_only'";
    hears_no_more(&app, &reader, async || app.database.execute(switch_off).await).await;
    let user = acme.user(Role::ReadOnly).await;
    let token = acme.token(user, app.clock.now() - TimeDelta::minutes(55)).await;
    let reader = acme.with(Credential::Bearer(token));
    // Sooner than any answer ends.
    hears_no_more(&app, &reader, async || app.advance(TimeDelta::minutes(6))).await;
}

#[tokio::test]
async fn an_answer_ends_after_a_quarter_of_an_hour_though_nothing_happened_and_not_sooner() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut following = follow(&acme, "").await;
    app.advance(TimeDelta::minutes(15) - TimeDelta::seconds(1));
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    assert_eq!(next(&mut following).await.0, 1);
    app.advance(TimeDelta::seconds(1));
    assert!(following.rest().await.is_empty());
}

#[tokio::test]
async fn an_answer_that_waits_for_a_place_to_read_ends_after_a_quarter_of_an_hour_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let waiting = follow(&acme, &format!("?webhook={}", subscriber.id)).await;
    let mut other = follow(&acme, "").await;
    let mut taken = Vec::new();
    for _ in 0..api::FEEDS_OF_ONE {
        taken.push(app.api.feeds.take(acme.id).await.unwrap());
    }
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    // Who needs no place hears of it, so the other one has been told to read on.
    assert_eq!(next(&mut other).await.0, 1);
    app.advance(TimeDelta::minutes(15));
    assert!(waiting.rest().await.is_empty());
}

#[tokio::test]
async fn who_lost_the_connection_goes_on_where_it_was() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 4).await;
    app.worker().relay().await.unwrap();
    let request = asked(&acme, "?after=0").header("last-event-id", "2");
    let mut following = EventStream::of(request).await;
    assert_eq!((next(&mut following).await.0, next(&mut following).await.0), (3, 4));

    for (bad, status) in [("x", 400), ("99", 400)] {
        let refused = asked(&acme, "").header("last-event-id", bad).send().await.unwrap();
        assert_eq!(refused.status(), status, "{bad}");
    }
    acme.get(&format!("{EVENTS}/stream?after=0&limit=3")).await.problem(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn no_tenant_takes_all_places_and_a_place_is_free_again_after_its_follower() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let mut all = Vec::new();
    let refused = loop {
        let response = asked(&acme, "").send().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        all.push(response);
    };
    assert_eq!((refused.status().as_u16(), all.len()), (409, 50));
    follow(&other, "").await;
    all.pop();
    let freed = async || asked(&acme, "").send().await.unwrap().status() == 200;
    until("the place of a follower who left is free", freed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_lets_followers_go_and_they_go_on_elsewhere() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut server = Program::api(&app.database.app_url(), &[]).await;
    let through = acme.through(server.url());
    app.announce(&acme, "contact.created", 2).await;
    app.worker().relay().await.unwrap();
    let mut following = follow(&through, "?after=1").await;
    assert_eq!(next(&mut following).await.0, 2);
    assert!(server.stop().await.success(), "{}", server.last_lines());
    assert!(following.rest().await.is_empty());
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    assert_eq!(numbers(&page(&acme, "after=2").await.0), [3]);
}

#[tokio::test]
async fn who_comes_again_goes_on_behind_its_last_event_wherever_it_had_begun() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 3).await;
    app.worker().relay().await.unwrap();
    let (all, _) = page(&acme, "after=0").await;
    let first = all[0]["id"].as_str().unwrap();
    for (begin, last, numbers) in
        [(first, None, &[2, 3][..]), (first, Some("2"), &[3]), ("0", Some("2"), &[3])]
    {
        let mut request = asked(&acme, &format!("?after={begin}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut following = EventStream::of(request).await;
        for number in numbers {
            assert_eq!(next(&mut following).await.0, *number, "{begin} {last:?}");
        }
    }
}
