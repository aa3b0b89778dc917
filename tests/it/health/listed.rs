//! Lists of webhooks by how they are.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{Tenant, TestApp, WEBHOOKS};

use super::Stage;

/// The ids of the webhooks that a query finds.
async fn found(tenant: &Tenant, query: &str) -> Vec<String> {
    let page = tenant.get(&format!("{WEBHOOKS}?sort=createdAt&{query}")).await.page();
    page.each("id").into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_list_of_webhooks_is_filtered_by_the_health_that_each_of_them_shows() {
    let mut stage = Stage::new().await;
    let (app, acme) = (&stage.app, stage.acme.clone());
    app.advance(TimeDelta::seconds(1));
    let [well, gone, paused] = [
        acme.subscribe(&["lead.created"]).await,
        acme.subscribe(&["contact.created"]).await,
        acme.subscribe(&["lead.created"]).await,
    ];
    gone.receiver.script([410]);
    paused.switch(false).await;
    app.tenant("other").await.subscribe(&["*"]).await;
    stage.fail().await;

    let ids = |hooks: &[uuid::Uuid]| hooks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let failing = stage.hook.id;
    for (query, expected) in [
        ("health=failing", ids(&[failing])),
        ("health=disabled", ids(&[gone.id])),
        ("health[in]=failing,disabled", ids(&[failing, gone.id])),
    ] {
        assert_eq!(found(&acme, query).await, expected, "{query}");
        let page = acme.get(&format!("{WEBHOOKS}?{query}")).await.page();
        assert!(page.each("health").iter().all(|health| query.contains(health)), "{query}");
    }
    let mut healthy = found(&acme, "health=healthy").await;
    healthy.sort_unstable();
    let mut expected = ids(&[well.id, paused.id]);
    expected.sort_unstable();
    assert_eq!(healthy, expected, "what its tenant switched off is not disabled");

    stage.after(1, 1, &[]).await;
    assert_eq!(found(&acme, "health=failing").await, [""; 0], "it has recovered");
    gone.switch(true).await;
    assert_eq!(found(&acme, "health=failing").await, ids(&[gone.id]), "it has to prove itself");
    assert_eq!(found(&acme, "health=disabled").await, [""; 0]);
}

#[tokio::test]
async fn a_health_that_there_is_not_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let fault = json!({"health": "Must be one of healthy, failing, disabled"});
    acme.get(&format!("{WEBHOOKS}?health=ill")).await.invalid(&fault);
}
