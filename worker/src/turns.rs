//! Whose turn it is at the relay, so that nobody waits for the ten thousand events of somebody's import.
//!
//! Events go in the order in which they came until a batch does not hold all that are there. Whoever had a part of
//! that one then waits until all others have had theirs. To look for the others is to walk past all events of those who
//! wait. As many as they are, these have the turn for several times as long as it took to find that nobody else is
//! left, or a million events would be walked past a million times.

use std::time::Duration;

use uuid::Uuid;

/// Tenants that may wait at once; with more, all begin anew.
const MOST_WAITING: usize = 10_000;

/// For how many times as long as the look for others took those have the turn for whom they were looked past.
const TIMES: u32 = 3;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Tenants that have had their turn.
    waiting: Vec<Uuid>,
    /// For how long events go in their order again, before anybody waits.
    anybodys: Duration,
}

impl Turns {
    /// Whose events the next batch leaves out.
    pub fn waiting(&self) -> &[Uuid] {
        &self.waiting
    }

    /// After a batch that took `took` and held events of `tenants`, if it did not hold all that were there: whether
    /// there may be more.
    pub fn after(&mut self, tenants: Option<Vec<Uuid>>, took: Duration) -> bool {
        let Some(tenants) = tenants else {
            let others = !self.waiting.is_empty();
            self.waiting.clear();
            self.anybodys = if others { took * TIMES } else { Duration::ZERO };
            return others;
        };
        self.anybodys = self.anybodys.saturating_sub(took);
        if self.anybodys.is_zero() {
            self.make_wait(tenants);
        }
        true
    }

    /// These have had their turn.
    pub fn make_wait(&mut self, tenants: impl IntoIterator<Item = Uuid>) {
        self.waiting.extend(tenants);
        if self.waiting.len() > MOST_WAITING {
            self.waiting.clear();
        }
    }

    /// All begin anew; whether anybody waited.
    pub fn begin_anew(&mut self) -> bool {
        let others = !self.waiting.is_empty();
        *self = Self::default();
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(10);
    const BATCH: Duration = Duration::from_millis(12);

    fn tenant(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn whoever_had_a_part_of_a_full_batch_waits_until_the_others_have_had_theirs() {
        let mut turns = Turns::default();
        assert!(turns.after(Some(vec![tenant(1), tenant(2)]), BATCH));
        assert_eq!(turns.waiting(), [tenant(1), tenant(2)]);
        assert!(turns.after(Some(vec![tenant(3)]), BATCH), "the others are many too");
        assert_eq!(turns.waiting(), [tenant(1), tenant(2), tenant(3)]);
        assert!(turns.after(None, LOOK), "those who waited have more");
        assert!(turns.waiting().is_empty());
    }

    #[test]
    fn the_look_for_others_takes_a_quarter_of_the_time_however_long_it_is() {
        let mut turns = Turns::default();
        turns.after(Some(vec![tenant(1)]), BATCH);
        for _ in 0..10 {
            turns.after(None, LOOK);
            let mut batches = 1;
            while turns.after(Some(vec![tenant(1)]), BATCH) && turns.waiting().is_empty() {
                batches += 1;
            }
            assert_eq!(batches, 3, "of 12 ms each after a look of 10");
        }
    }

    #[test]
    fn a_batch_that_held_all_leaves_nobody_waiting_and_nothing_to_do() {
        let mut turns = Turns::default();
        assert!(!turns.after(None, BATCH));
        assert!(turns.after(Some(vec![tenant(1)]), BATCH));
        assert_eq!(turns.waiting(), [tenant(1)], "nobody's time is left over from before");
    }

    #[test]
    fn very_many_begin_anew() {
        let mut turns = Turns::default();
        turns.make_wait((0..10_000).map(tenant));
        assert_eq!(turns.waiting().len(), 10_000);
        turns.after(Some(vec![tenant(10_000)]), BATCH);
        assert!(turns.waiting().is_empty());
    }
}
