//! Following the log live.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::Scope;
use tests::kit::{CONTACTS, Program, Tenant, TestApp};
use tokio::time::timeout;

use super::{EVENTS, numbers, page};

/// Long enough for a look at the newest numbers on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// An open answer, read as it comes.
struct Following {
    text: String,
    response: reqwest::Response,
}

impl Following {
    async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { text: String::new(), response }
    }

    async fn of(tenant: &Tenant, query: &str) -> Self {
        Self::to(tenant.request(Method::GET, &format!("{EVENTS}/stream?{query}"))).await
    }

    /// The next message: its id, and its data as JSON.
    async fn next(&mut self) -> (i64, Value) {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| {
                    message.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
                };
                let (id, data) = (line("id: "), line("data: "));
                self.text = rest.to_string();
                if let (Some(id), Some(data)) = (id, data) {
                    return (id.parse().unwrap(), serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            assert!(self.more().await, "an event");
        }
    }

    /// Reads on; false at the end.
    async fn more(&mut self) -> bool {
        let more = timeout(PATIENCE, self.response.chunk()).await.expect("something").unwrap();
        self.text += more.as_deref().map_or("", |more| std::str::from_utf8(more).unwrap());
        more.is_some()
    }
}

#[tokio::test]
async fn a_follower_hears_what_was_and_then_what_comes_as_the_pages_tell_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 250).await;
    let worker = app.worker();
    worker.relay().await.unwrap();
    let mut following = Following::of(&acme, "after=100").await;
    for number in 101..=250 {
        assert_eq!(following.next().await.0, number);
    }
    for number in 251..=253 {
        acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
        worker.relay().await.unwrap();
        let (id, event) = following.next().await;
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
    let mut following = Following::of(&acme, "event=lead.*").await;
    for (tenant, event) in
        [(&other, "lead.created"), (&acme, "contact.created"), (&acme, "lead.updated")]
    {
        app.announce(tenant, event, 1).await;
        worker.relay().await.unwrap();
    }
    let (id, event) = following.next().await;
    assert_eq!((id, &event["event"]), (4, &json!("lead.updated")));
}

#[tokio::test]
async fn whose_credential_was_revoked_hears_no_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let worker = app.worker();
    for end in [
        "update api_keys set revoked_at = now() where name = 'Limited'",
        "update api_keys set scopes = '{contacts:read}' where name = 'Limited'",
    ] {
        let reader = acme.with_scopes(&[Scope::WebhooksRead]).await;
        let mut following = Following::of(&reader, "").await;
        app.announce(&acme, "contact.created", 1).await;
        worker.relay().await.unwrap();
        following.next().await;
        app.database.execute(end).await;
        app.announce(&acme, "contact.updated", 1).await;
        worker.relay().await.unwrap();
        while following.more().await {
            assert!(!following.text.contains("contact.updated"), "{}", following.text);
        }
    }
}

#[tokio::test]
async fn who_lost_the_connection_goes_on_where_it_was() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 4).await;
    app.worker().relay().await.unwrap();
    let request = acme.request(Method::GET, &format!("{EVENTS}/stream?after=0"));
    let mut following = Following::to(request.header("last-event-id", "2")).await;
    assert_eq!((following.next().await.0, following.next().await.0), (3, 4));

    for (bad, status) in [("x", 400), ("99", 400)] {
        let request = acme.request(Method::GET, &format!("{EVENTS}/stream"));
        let refused = request.header("last-event-id", bad).send().await.unwrap();
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
        let request = acme.request(Method::GET, &format!("{EVENTS}/stream"));
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            break response;
        }
        all.push(response);
    };
    assert_eq!((refused.status().as_u16(), all.len()), (503, 50));
    Following::of(&other, "").await;
    all.pop();
    let freed = async {
        while acme.request(Method::GET, &format!("{EVENTS}/stream")).send().await.unwrap().status()
            != 200
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("the place of a follower who left is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_lets_followers_go_and_they_go_on_elsewhere() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut server = Program::api(&app.database.app_url(), &[]).await;
    let through = acme.through(server.url());
    app.announce(&acme, "contact.created", 2).await;
    app.worker().relay().await.unwrap();
    let mut following = Following::of(&through, "after=1").await;
    assert_eq!(following.next().await.0, 2);
    assert!(server.stop().await.success(), "{}", server.last_lines());
    let rest = timeout(PATIENCE, following.response.chunk()).await.expect("it ends");
    assert!(matches!(rest, Ok(None)), "{rest:?}");
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    assert_eq!(numbers(&page(&acme, "after=2").await.0), [3]);
}
