//! `api listen`: the real program, which follows the event log and sends to a receiver on this machine.

use std::process::Output;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use shared::id::{EventId, WebhookId};
use shared::scope::Scope;
use shared::webhook::body::delivery_id;
use standardwebhooks::Webhook;
use tests::kit::{
    CONTACTS, Call, Nobody, PATIENCE, Program, Receiver, Reply, TcpServer, Tenant, TestApp, until,
};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;
use uuid::Uuid;

use crate::boot::process::{Ended, Environment};

/// A running `api listen`.
struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn environment(tenant: &Tenant) -> Environment {
    Environment::empty().set("LIAISON_API_KEY", tenant.key())
}

impl Listening {
    /// Starts it, and waits until it listens.
    async fn start(tenant: &Tenant, arguments: &[&str]) -> (Self, Vec<String>) {
        let mut child =
            environment(tenant).command(&[&["listen"], arguments].concat()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut listening = Self { child, lines };
        let mut said = Vec::new();
        loop {
            let Some(line) = listening.line().await else {
                panic!("{:?} after {said:?}", listening.child.wait_with_output().await)
            };
            said.push(line);
            if said.last().is_some_and(|line| line.starts_with("listening")) {
                return (listening, said);
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.lines.next_line()).await.expect("it says something").unwrap()
    }

    /// Ends it as Ctrl-C does: the rest of what it says.
    async fn interrupt(mut self) -> (Vec<String>, Output) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let mut said = Vec::new();
        while let Some(line) = self.line().await {
            said.push(line);
        }
        (said, self.child.wait_with_output().await.unwrap())
    }
}

/// Expects a request that the usual library accepts, time included.
fn verify(call: &Call, secret: &str) {
    Webhook::new(secret).unwrap().verify(&call.body, &call.headers).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_here_is_byte_for_byte_what_the_webhook_is_sent_and_verifies_with_its_secret()
{
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = acme.subscribe(&["contact.*"]).await;
    let here = Receiver::start().await;
    let (api, id) = (app.url(""), webhook.id.to_string());
    let arguments = ["--forward", &here.url(), "--api", &api, "--webhook", &id, "--after", "0"];
    let (mut listening, said) = Listening::start(&acme, &arguments).await;
    assert_eq!(said.len(), 1, "a webhook's secret is not printed: {said:?}");

    let contact = json!({"name": "Zoë \"the\" \\ Ωmega", "email": "zoe@example.com"});
    let contact = acme.post(CONTACTS, contact).await.created();
    let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    acme.put(&path, json!({"name": "Zoë"})).await.ok();
    acme.put(&path, json!({"company": "Ünï \u{2028} \u{1f600}"})).await.ok();
    acme.post("/api/v1/connection/companies", json!({"name": "Unwanted"})).await.created();
    acme.delete(&path).await.no_content();
    let mut worker = app.worker();
    worker.drain().await.unwrap();

    let (mut there, here) = (webhook.receiver.wait_for(4).await, here.wait_for(4).await);
    there.sort_by_key(|call| call.json()["sequence"].as_i64());
    assert_eq!(here.len(), 4);
    for (here, there) in here.iter().zip(&there) {
        assert_eq!(here.body, there.body);
        for header in [
            "webhook-id",
            "x-webhook-signature",
            "x-webhook-event",
            "x-webhook-attempt",
            "x-webhook-trigger",
            "content-type",
            "user-agent",
        ] {
            assert_eq!(here.header(header), there.header(header), "{header}");
        }
        verify(here, &webhook.secret);
    }
    for number in [1, 2, 3, 5] {
        let line = listening.line().await.unwrap();
        assert!(
            line.contains(&format!("  {number}  contact.")) && line.contains("  200  "),
            "{line}"
        );
    }
    let (said, ended) = listening.interrupt().await;
    assert_eq!(said, ["4 delivered, 0 failed; go on with --after 5"]);
    assert!(ended.status.success(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhooks_filter_and_fields_hold_here_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = acme.subscribe(&["*"]).await;
    let only = json!({"filter": {"field": "name", "startsWith": "A"}, "fields": ["email"]});
    acme.put(&webhook.path(), only).await.ok();
    let here = Receiver::start().await;
    let (api, id) = (app.url(""), webhook.id.to_string());
    let arguments = ["--forward", &here.url(), "--api", &api, "--webhook", &id, "--after", "0"];
    let (mut listening, _) = Listening::start(&acme, &arguments).await;
    for name in ["Ada", "Bob", "Alan"] {
        acme.post(CONTACTS, json!({"name": name, "email": "x@example.com"})).await.created();
    }
    app.worker().drain().await.unwrap();
    let (mut there, here) = (webhook.receiver.wait_for(2).await, here.wait_for(2).await);
    there.sort_by_key(|call| call.json()["sequence"].as_i64());
    let bodies = |calls: &[Call]| calls.iter().map(|call| call.body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&here), bodies(&there));
    assert_eq!(here[0].json()["data"]["name"], json!(null), "it is masked");
    for number in [1, 3] {
        let line = listening.line().await.unwrap();
        assert!(line.contains(&format!("  {number}  contact.created")), "{line}");
    }
    listening.interrupt().await;
}

#[tokio::test]
async fn ids_of_deliveries_are_the_same_in_rust_and_in_the_database() {
    let app = TestApp::start().await;
    let now = app.clock.now();
    let mut pairs: Vec<_> = (0..500)
        .map(|_| (Uuid::from_u128(rand::random()), Uuid::from_u128(rand::random())))
        .collect();
    pairs.extend([(Uuid::nil(), Uuid::max()), (Uuid::max(), Uuid::nil())]);
    pairs.push((EventId::fresh(now).0, WebhookId::fresh(now).0));
    let (events, webhooks): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let sql: Vec<Uuid> = sqlx::query_scalar(
        "select delivery_id(e, w) from unnest($1::uuid[], $2::uuid[]) with ordinality o (e, w, n) order by n",
    )
    .bind(events)
    .bind(webhooks)
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    let ours: Vec<Uuid> = pairs
        .iter()
        .map(|(event, webhook)| delivery_id(EventId(*event), WebhookId(*webhook)).0)
        .collect();
    assert_eq!(ours, sql);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_webhook_it_signs_with_a_secret_that_it_prints_and_sends_what_was_asked_for() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 2).await;
    app.worker().relay().await.unwrap();
    let here = Receiver::start().await;
    here.script([500_u16, 200]);
    let arguments =
        ["--forward", &here.url(), "--api", &app.url(""), "--events", "lead.*,contact.deleted"];
    let (mut listening, said) = Listening::start(&acme, &arguments).await;
    let secret = said[0].strip_prefix("signing with ").unwrap().to_owned();
    for event in ["contact.updated", "lead.created", "contact.deleted"] {
        app.announce(&acme, event, 1).await;
        app.worker().relay().await.unwrap();
    }
    let calls = here.wait_for(2).await;
    let events: Vec<_> = calls.iter().map(|call| call.header("x-webhook-event")).collect();
    assert_eq!(events, ["lead.created", "contact.deleted"]);
    for call in &calls {
        verify(call, &secret);
    }
    assert!(listening.line().await.unwrap().contains("  500  "));
    assert!(listening.line().await.unwrap().contains("  200  "));
    let (said, ended) = listening.interrupt().await;
    assert_eq!(said, ["1 delivered, 1 failed; go on with --after 5"]);
    assert!(ended.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_ones_own_signs_in_place_of_the_webhooks_and_is_not_printed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = acme.subscribe(&["contact.*"]).await.id.to_string();
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for of in [&[][..], &["--webhook", &webhook]] {
        let here = Receiver::start().await;
        let (api, url) = (app.url(""), here.url());
        let arguments = ["--forward", &url, "--api", &api, "--after", "0", "--secret", own];
        let (listening, said) = Listening::start(&acme, &[&arguments, of].concat()).await;
        verify(&here.wait_for(1).await[0], own);
        let (rest, ended) = listening.interrupt().await;
        assert!(ended.status.success());
        assert!(!said.iter().chain(&rest).any(|line| line.contains("whsec_")), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_goes_and_comes_again_loses_nothing_not_even_before_the_first_event() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 2).await;
    app.worker().relay().await.unwrap();
    let mut server = Program::api(&app.database.app_url(), &[]).await;
    let here = Receiver::start().await;
    let arguments = ["--forward", &here.url(), "--api", &server.url()];
    let (mut listening, _) = Listening::start(&acme, &arguments).await;
    for number in 3..=4 {
        server.stop().await;
        let line = listening.line().await.unwrap();
        assert!(line.contains("cannot be reached") && line.contains("trying again"), "{line}");
        app.announce(&acme, "contact.created", 1).await;
        app.worker().relay().await.unwrap();
        server.restart().await;
        let told = format!("  {number}  contact.created");
        while !listening.line().await.unwrap().contains(&told) {}
    }
    assert_eq!(here.calls().len(), 2);
}

#[tokio::test]
async fn during_a_rotation_both_secrets_sign_as_they_do_for_the_webhook() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let webhook = acme.subscribe(&["*"]).await;
    let path = format!("{}/secret/rotate", webhook.path());
    let fresh = acme.post(&path, json!({})).await.ok()["secret"].as_str().unwrap().to_owned();
    let here = Receiver::start().await;
    let (api, id) = (app.url(""), webhook.id.to_string());
    let arguments = ["--forward", &here.url(), "--api", &api, "--webhook", &id];
    let (_listening, _) = Listening::start(&acme, &arguments).await;
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let call = here.wait_for(1).await.remove(0);
    assert_eq!(call.header("webhook-signature").split(' ').count(), 2);
    for secret in [&fresh, &webhook.secret] {
        verify(&call, secret);
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_here_too_and_its_target_hears_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 2).await;
    app.worker().relay().await.unwrap();
    let (here, elsewhere) = (Receiver::start().await, Receiver::start().await);
    here.script([Reply::status(307).header("location", elsewhere.url())]);
    let (api, to) = (app.url(""), here.url());
    let arguments = ["--forward", &to, "--api", &api, "--after", "0"];
    let (mut listening, _) = Listening::start(&acme, &arguments).await;
    assert!(listening.line().await.unwrap().contains("  307  "));
    assert!(listening.line().await.unwrap().contains("  200  "));
    let (said, _) = listening.interrupt().await;
    assert_eq!(said, ["1 delivered, 1 failed; go on with --after 2"]);
    assert!(elsewhere.calls().is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_told_and_passed_over() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 2).await;
    app.worker().relay().await.unwrap();
    let nobody = Nobody::here();
    let to = format!("http://{}/", nobody.address());
    let arguments = ["--forward", &to, "--api", &app.url(""), "--after", "1"];
    let (mut listening, _) = Listening::start(&acme, &arguments).await;
    let line = listening.line().await.unwrap();
    assert!(
        line.contains("  2  contact.created  ") && line.contains("connection refused"),
        "{line}"
    );
}

#[tokio::test]
async fn what_cannot_work_is_said_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let (api, here) = (app.url(""), "http://127.0.0.1:9/hook");
    let run = async |tenant: &Tenant, arguments: &[&str]| -> Ended {
        let arguments = [&["listen", "--forward", here], arguments].concat();
        environment(tenant).run(&arguments).await
    };
    let missing = Uuid::from_u128(7).to_string();
    let webhook = acme.webhook("https://example.com", &["*"]).await;
    let webhook = webhook["id"].as_str().unwrap();
    for (arguments, told) in [
        (&["--api", &api, "--key", "crm_live_wrong"][..], "(--key or LIAISON_API_KEY)"),
        (&["--api", "http://127.0.0.1:9/"], "the api cannot be reached at http://127.0.0.1:9/"),
        (&["--api", &api, "--webhook", &missing], "404: Webhook not found"),
        (
            &["--api", &api, "--events", "contact.exploded"],
            "contact.exploded is none of contact.created",
        ),
        (&["--api", &api, "--secret", "whsec_x"], "--secret: Must be whsec_"),
        (&["--api", &api, "--after", "99"], "Is beyond the newest event, which has the number 1"),
    ] {
        run(&acme, arguments).await.refused(&[told]);
    }
    let reader = acme.with_scopes(&[Scope::WebhooksRead]).await;
    run(&reader, &["--api", &api, "--webhook", webhook]).await.refused(&["webhooks:secrets"]);
    let stranger = acme.with_scopes(&[Scope::ContactsRead]).await;
    run(&stranger, &["--api", &api]).await.refused(&["webhooks:read"]);
    let away = ["listen", "--forward", "http://192.0.2.1/", "--api", &api];
    environment(&acme).run(&away).await.refused(&["--allow-remote"]);
    let keyless = Environment::empty().run(&["listen", "--forward", here]).await;
    assert_eq!(keyless.code, Some(2), "{keyless:?}");
    assert!(keyless.stderr.contains("--key"), "{keyless:?}");
    let help = Environment::empty()
        .set("LIAISON_API_KEY", "crm_live_secret")
        .run(&["listen", "--help"])
        .await;
    assert!(!help.success().contains("crm_live_secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_at_once_while_the_api_says_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let silent = TcpServer::silent().await;
    let (api, id) = (silent.url(), Uuid::nil().to_string());
    let arguments = ["listen", "--forward", "http://127.0.0.1:9/", "--api", &api, "--webhook", &id];
    let mut child = environment(&acme).command(&arguments).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let asked = async || silent.connections() > 0;
    until("it asks for the webhook's secret", asked).await;
    let ending = Listening { child, lines }.interrupt();
    let (said, ended) = timeout(PATIENCE, ending).await.expect("it ends");
    assert!(said.is_empty() && ended.status.success(), "{said:?} {ended:?}");
}
