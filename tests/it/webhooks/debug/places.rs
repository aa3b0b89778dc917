//! Checks at once: each holds its body, so that there are places for some.

use serde_json::json;
use shared::id::TenantId;
use uuid::Uuid;

use super::Scene;

#[tokio::test]
async fn more_checks_at_once_than_a_tenant_or_all_may_have_are_told_to_come_again() {
    let scene = Scene::new().await;
    let other = scene.app.tenant("other").await;
    let strangers = [1, 1, 2, 2, 3, 3].map(|tenant| TenantId(Uuid::from_u128(tenant)));
    let mut taken = Vec::new();
    for tenant in strangers.into_iter().chain([scene.acme.id; 2]) {
        taken.push(scene.app.api.checks.take(tenant).await.unwrap());
    }
    let path = format!("{}/signature/verify", scene.subscriber.path());
    let (own, all) =
        tokio::join!(scene.acme.post(&path, scene.request()), other.post(&path, json!({})));
    assert_eq!((own.header("retry-after"), all.header("retry-after")), ("1", "1"));
    own.problem(429, "RATE_LIMITED");
    all.problem(503, "SERVICE_UNAVAILABLE");
    drop(taken);
    assert_eq!(scene.check(&scene.request()).await["valid"], true);
    other.post(&path, json!({})).await.problem(400, "VALIDATION_ERROR");
}
