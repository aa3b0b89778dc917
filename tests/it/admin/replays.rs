//! `api admin replay`.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{Program, TestApp};

use super::{json, operator};
use crate::replays::Past;

#[tokio::test]
async fn a_replay_is_rehearsed_paused_cancelled_and_watched_to_its_end() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let from = app.clock.now() - TimeDelta::hours(1);
    let event = "contact.created";
    let past = Past { webhook: subscriber.id, status: "failed", event, from, count: 30 };
    past.plant(app.database.admin()).await;
    let (operator, tenant, webhook) =
        (operator(&app.database), acme.id.to_string(), subscriber.id.to_string());
    let of = |verb| ["replay", verb, "--tenant", &*tenant, "--webhook", &*webhook];

    let rehearsed = json(&operator, &[&of("start")[..], &["--dry-run"]].concat()).await;
    assert_eq!(rehearsed["total"], json!(30));
    assert_eq!(json(&operator, &of("list")).await, json!([]), "a dry run begins nothing");
    let started = json(&operator, &of("start")).await["id"].as_str().unwrap().to_owned();
    for (verb, state) in [("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")] {
        let turned = json(&operator, &[&of(verb)[..], &["--replay", &started]].concat()).await;
        assert_eq!(turned["state"], state);
    }
    let wrong = [&["admin"], &of("start")[..], &["--rate", "0", "--statuses", "lost"]].concat();
    operator.run(&wrong).await.refused(&["- rate: ", "- statuses"]);

    let _worker = Program::worker(&app.database.worker_url(), &[]).await;
    let ended =
        operator.run(&[&["admin"], &of("start")[..], &["--watch", "--json"]].concat()).await;
    assert_eq!(ended.stderr, "", "no bar where nobody looks");
    let over: serde_json::Value = serde_json::from_str(&ended.success()).unwrap();
    assert_eq!((&over["state"], &over["delivered"]), (&json!("completed"), &json!(30)));
    let listed = json(&operator, &of("list")).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
}
