//! What holds however a walk went.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::hook::Hook;
use super::{Told, Walk};

/// A delivery as the walk has left it.
#[derive(sqlx::FromRow)]
pub struct Delivery {
    pub id: Uuid,
    pub webhook_id: Uuid,
    pub occurrence_id: Uuid,
    pub status: String,
    pub attempts: i32,
    pub cycle: i32,
}

impl Walk {
    pub async fn verify(&self) {
        let deliveries: Vec<Delivery> = sqlx::query_as(
            "select id, webhook_id, occurrence_id, status, attempts, cycle from webhook_events",
        )
        .fetch_all(self.app.database.admin())
        .await
        .unwrap();
        for hook in &self.hooks {
            let own = deliveries.iter().filter(|one| one.webhook_id == hook.subscriber.id);
            self.has_one_of_each(hook, own.clone());
            hook.has_got_what_is_delivered(own);
            hook.heard_in_order();
        }
        self.counted_right(&deliveries).await;
        self.numbered_without_gaps().await;
    }

    /// Each event that the webhook wants has exactly one delivery, which has ended.
    fn has_one_of_each<'a>(&self, hook: &Hook, own: impl Iterator<Item = &'a Delivery>) {
        let family = hook.events.trim_end_matches('*');
        let wanted = |told: &&Told| told.owner == hook.owner && told.event.starts_with(family);
        let mut expected: Vec<Uuid> = self.told.iter().filter(wanted).map(|told| told.id).collect();
        let mut found = Vec::new();
        for one in own {
            let ended = ["delivered", "failed", "skipped"].contains(&&*one.status);
            assert!(ended, "{} is {}", one.id, one.status);
            found.push(one.occurrence_id);
        }
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "one delivery of each event");
    }

    /// Attempts are numbered 1 to 5 at most in each cycle, without a gap, and the last cycle has counted its own once
    /// each. Whoever came too late is logged with a number that another has, and not counted.
    async fn counted_right(&self, deliveries: &[Delivery]) {
        let log: Vec<(Uuid, i32, i32)> =
            sqlx::query_as("select delivery_id, cycle, attempt from webhook_attempts")
                .fetch_all(self.app.database.admin())
                .await
                .unwrap();
        let mut cycles = BTreeMap::<(Uuid, i32), BTreeSet<i32>>::new();
        for (delivery, cycle, attempt) in log {
            cycles.entry((delivery, cycle)).or_default().insert(attempt);
        }
        for (at, numbers) in &cycles {
            assert!(
                numbers.len() <= 5 && numbers.iter().copied().eq(1..=last(numbers)),
                "{at:?} {numbers:?}"
            );
        }
        for Delivery { id, cycle, attempts, .. } in deliveries {
            let logged = cycles.get(&(*id, *cycle)).map_or(0, last);
            assert_eq!(*attempts, logged, "attempts of cycle {cycle} of {id}");
        }
    }

    async fn numbered_without_gaps(&self) {
        let numbers: Vec<(Uuid, i64, Uuid)> = sqlx::query_as(
            "select tenant_id, sequence, id from events order by tenant_id, sequence",
        )
        .fetch_all(self.app.database.admin())
        .await
        .unwrap();
        for (owner, tenant) in self.tenants.iter().enumerate() {
            let own = || numbers.iter().filter(|(id, _, _)| *id == tenant.id.0);
            assert!(
                own().map(|(_, number, _)| *number).eq((1..).take(own().count())),
                "{:?}",
                own().collect::<Vec<_>>()
            );
            let logged: BTreeSet<Uuid> = own().map(|(_, _, event)| *event).collect();
            let told = self.told.iter().filter(|told| told.owner == owner);
            assert!(told.map(|told| told.id).all(|event| logged.contains(&event)), "in the log");
        }
    }
}

fn last(numbers: &BTreeSet<i32>) -> i32 {
    numbers.last().copied().unwrap_or_default()
}
