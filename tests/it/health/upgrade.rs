//! Databases with webhooks and deliveries from before there was any health.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Stage;

#[tokio::test]
async fn a_webhook_from_before_is_healthy_and_shown_whole_until_it_is_heard_of() {
    let mut stage = Stage::new().await;
    stage.send(3).await;
    stage.app.database.execute("delete from webhook_health; delete from webhook_outcomes").await;
    let health = stage.health().await;
    assert_eq!((&health["health"], &health["failureStreak"]), (&json!("healthy"), &json!(0)));
    assert_eq!(stage.hook.show().await["lastDeliveryAt"], Value::Null);
    stage.hook.switch(false).await;
    stage.hook.switch(true).await;
    assert_eq!(stage.state().await, "healthy");
    stage.app.advance(TimeDelta::minutes(1));
    stage.send(1).await;
    assert_eq!(stage.health().await["lastHour"]["accepted"], 1);
}
