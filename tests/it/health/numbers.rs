//! The numbers are those that the receiver's own log gives.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tests::kit::Call;

use super::Stage;
use crate::replays::Past;

/// What a receiver can tell by itself: when each change was made, and when it answered.
#[derive(Default)]
struct Log {
    /// Milliseconds from the change to the acceptance.
    times: Vec<i32>,
    refused: i32,
    seen: usize,
}

impl Log {
    /// Reads on in what arrived, which was all answered now: with a 2xx, but for the first ones.
    fn read(&mut self, calls: &[Call], refused: usize, now: DateTime<Utc>) {
        for (place, call) in calls[self.seen..].iter().enumerate() {
            if place < refused {
                self.refused += 1;
            } else {
                let made: DateTime<Utc> =
                    call.json()["timestamp"].as_str().unwrap().parse().unwrap();
                self.times.push((now - made).num_milliseconds().try_into().unwrap());
            }
        }
        self.seen = calls.len();
    }

    /// The time that so many of a hundred did not exceed.
    fn percentile(&mut self, percent: usize) -> f64 {
        self.times.sort_unstable();
        let rank = (self.times.len() * percent).div_ceil(100);
        f64::from(self.times[rank.max(1) - 1])
    }

    #[track_caller]
    fn assert_same(&mut self, window: &Value) {
        let accepted = i32::try_from(self.times.len()).unwrap();
        assert_eq!(window["accepted"], accepted);
        assert_eq!(window["failed"], self.refused);
        assert_eq!(window["attempts"], accepted + self.refused);
        let rate = f64::from(accepted) / f64::from(accepted + self.refused);
        assert_near(&window["successRate"], rate);
        for (member, percent) in [("p50Ms", 50), ("p95Ms", 95), ("p99Ms", 99)] {
            assert_near(&window["timeToDeliver"][member], self.percentile(percent));
        }
    }
}

#[track_caller]
fn assert_near(shown: &Value, exact: f64) {
    let shown = shown.as_f64().unwrap();
    assert!((shown - exact).abs() <= 0.01 * exact, "{shown} is not within 1 % of {exact}");
}

#[tokio::test]
async fn rates_and_percentiles_are_within_one_percent_of_the_receivers_own_log() {
    let mut stage = Stage::new().await;
    let (mut hour, mut day) = (Log::default(), Log::default());
    for round in 0..30_i64 {
        // The first rounds are of the day only.
        let early = round < 12;
        stage
            .app
            .announce(&stage.acme, "contact.created", 4 + i32::try_from(round % 5).unwrap())
            .await;
        let refused = usize::from(round % 4 == 0);
        stage.hook.receiver.script(vec![503; refused]);
        stage.worker.relay().await.unwrap();
        stage.app.advance(TimeDelta::milliseconds(1 + round * round * 37 % 4_000));
        stage.worker.drain().await.unwrap();
        let (calls, now) = (stage.hook.receiver.calls(), stage.app.clock.now());
        day.read(&calls, refused, now);
        if early {
            hour.seen = calls.len();
        } else {
            hour.read(&calls, refused, now);
        }
        stage.app.advance(if round == 11 { TimeDelta::hours(3) } else { TimeDelta::seconds(20) });
    }
    let health = stage.health().await;
    hour.assert_same(&health["lastHour"]);
    day.assert_same(&health["last24Hours"]);
    assert!(hour.times.len() < day.times.len());
    let shown = stage.hook.show().await;
    assert_eq!(health["lastSuccessAt"], shown["lastSuccessAt"]);
}

#[tokio::test]
async fn a_window_says_since_when_and_forgets_what_was_before() {
    let mut stage = Stage::new().await;
    stage.send(3).await;
    let health = stage.health().await;
    assert_eq!(health["lastHour"]["from"], "2026-01-02T02:00:00.000Z");
    assert_eq!(health["last24Hours"]["from"], "2026-01-01T03:00:00.000Z");
    assert_eq!(health["lastHour"]["successRate"], 1.0);
    stage.app.advance(TimeDelta::minutes(70));
    let health = stage.health().await;
    assert_eq!(
        (&health["lastHour"]["attempts"], &health["last24Hours"]["attempts"]),
        (&json!(0), &json!(3))
    );
    assert_eq!(health["lastHour"]["successRate"], Value::Null);
    assert_eq!(health["lastHour"]["timeToDeliver"]["p50Ms"], Value::Null);
    stage.app.advance(TimeDelta::hours(24));
    stage.worker.keep().await.unwrap();
    assert_eq!(stage.health().await["last24Hours"]["attempts"], 0);
    let kept: i64 = sqlx::query_scalar("select count(*) from webhook_outcomes")
        .fetch_one(stage.app.database.admin())
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn what_is_resent_counts_as_an_attempt_and_not_as_a_time_to_deliver() {
    let mut stage = Stage::new().await;
    stage.send(1).await;
    let delivery = stage.hook.only_delivery().await;
    stage.app.advance(TimeDelta::minutes(5));
    stage.hook.resend(&delivery).await.ok();
    stage.worker.drain().await.unwrap();
    let hour = &stage.health().await["lastHour"];
    assert_eq!((&hour["accepted"], &hour["timeToDeliver"]["count"]), (&json!(2), &json!(1)));
    assert_eq!(hour["timeToDeliver"]["p99Ms"], 1.0);
}

#[tokio::test]
async fn what_waits_is_counted_with_the_age_of_the_oldest() {
    let mut stage = Stage::new().await;
    let waiting = stage.health().await["pending"].clone();
    assert_eq!(
        waiting,
        json!({"count": 0, "countIsEstimate": false, "oldestAt": null, "oldestAgeSeconds": null})
    );
    stage.after(0, 1, &[500]).await;
    let first = shared::clock::rfc3339(stage.app.clock.now());
    stage.app.advance(TimeDelta::seconds(30));
    stage.app.announce(&stage.acme, "contact.created", 4).await;
    stage.worker.relay().await.unwrap();
    stage.app.advance(TimeDelta::seconds(31));
    assert_eq!(
        stage.health().await["pending"],
        json!({"count": 5, "countIsEstimate": false, "oldestAt": first, "oldestAgeSeconds": 61})
    );
}

#[tokio::test]
async fn what_waits_and_what_has_failed_is_counted_to_ten_thousand_and_then_said_to_be_more() {
    let stage = Stage::new().await;
    let admin = stage.app.database.admin();
    let from = stage.app.clock.now() - TimeDelta::minutes(170);
    for status in ["pending", "failed"] {
        let (webhook, event) = (stage.hook.id, "contact.created");
        Past { webhook, status, event, from, count: 10_001 }.plant(admin).await;
    }
    let queue = "insert into webhook_queue (tenant_id, webhook_id, id, next_retry)
                 select tenant_id, webhook_id, id, created_at from webhook_events where status = 'pending'";
    stage.app.database.execute(queue).await;
    let counted = async || {
        let health = stage.health().await;
        ["pending", "failed"].map(|of| {
            (health[of]["count"].as_i64().unwrap(), health[of]["countIsEstimate"] == true)
        })
    };
    assert_eq!(counted().await, [(10_000, true); 2]);
    for fewer in [
        "delete from webhook_queue where id = (select id from webhook_queue limit 1)",
        "delete from webhook_events where id = (select id from webhook_events where status = 'failed' limit 1)",
    ] {
        stage.app.database.execute(fewer).await;
    }
    assert_eq!(counted().await, [(10_000, false); 2]);
}
