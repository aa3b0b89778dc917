//! What a filter leaves out for longer than one page looks: the page is empty, and whoever goes on arrives.

use serde_json::json;
use tests::kit::TestApp;

use super::stream::{follow, next};
use super::{EVENTS, numbers, page};

/// Expects that so many events which nobody wants are passed over in windows of this size, up to the one behind them.
async fn passed_over(unwanted: i32, window: i64, by_webhook: bool) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["lead.updated"]).await;
    app.announce(&acme, "contact.created", unwanted).await;
    app.announce(&acme, "lead.updated", 1).await;
    app.worker().relay().await.unwrap();
    let only = format!("webhook={}", subscriber.id);
    let only = if by_webhook { &*only } else { "event=lead.updated" };
    let last = i64::from(unwanted) + 1;

    let feed = acme.get(&format!("{EVENTS}?{only}&after=0")).await.ok();
    assert_eq!(feed, json!({"events": [], "next": window, "hasMore": true}));
    let (events, end) = page(&acme, &format!("{only}&after={window}")).await;
    assert_eq!((numbers(&events), end), (vec![last], last));
    let (number, event) = next(&mut follow(&acme, &format!("?{only}&after=0")).await).await;
    assert_eq!((number, event), (last, events[0].clone()));
}

#[tokio::test]
async fn ten_thousand_events_that_a_filter_leaves_out_are_one_empty_page_and_no_end() {
    passed_over(10_050, 10_000, false).await;
}

#[tokio::test]
async fn a_thousand_events_that_a_webhook_does_not_want_are_one_empty_page_and_no_end() {
    passed_over(1_001, 1_000, true).await;
}
