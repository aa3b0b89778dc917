//! What a receiver refuses for good, while it takes everything else.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::TestApp;

#[tokio::test]
async fn what_is_refused_for_good_does_not_make_a_quiet_webhook_failing_again_and_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.*"]).await;
    acme.put(&subscriber.path(), json!({"autoRedrive": true})).await.ok();
    subscriber.receiver.judge(|call| if call.json()["data"]["number"] == 1 { 200 } else { 422 });
    let mut worker = app.worker();
    let mut failing = Vec::new();
    for hour in 0..5 {
        // The first of them is taken.
        app.announce(&acme, "contact.created", if hour == 0 { 13 } else { 1 }).await;
        for _ in 0..60 {
            worker.judge().await.unwrap();
            worker.replay().await.unwrap();
            worker.drain().await.unwrap();
            worker.probe().await.unwrap();
            app.advance(TimeDelta::minutes(1));
        }
        let told = crate::event_log::page(&acme, "event=webhook.failing&after=0").await.0;
        failing.push(told.len());
    }
    // As they were given up, and until redrives have had each of them refused.
    assert!(failing[0] == 1 && failing[2] <= 3 && failing[2] == failing[4], "{failing:?}");
    assert_eq!(subscriber.show().await["health"], "healthy");
    assert_eq!(app.count("failed").await, 12, "and each was sent again with every recovery");
}
