//! How much one receiver takes. Pure: outcomes and the time go in, room comes out.
//!
//! A receiver that is too slow (timeouts, 503, 504) has its window of requests under way halved, once for each round of
//! them, and widened by one for each round that it answers: additive increase, multiplicative decrease. One that says
//! that it is called too often (429) is called at 0.9 of the rate that it took, which grows on a cubic curve: quickly
//! back to nearly that rate, slowly past it, then quickly again (the shape of RFC 9438). Both only put off claims; what
//! has failed is due when its schedule says.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::pace::{Meter, Pace, SLOWEST, delta};

/// For how long this process itself heeds `Retry-After`: until it is in the webhook's row, where it ends with the
/// address that asked.
const NOTED: TimeDelta = TimeDelta::seconds(5);

/// The longest that `Retry-After` puts off everything for a webhook.
const LONGEST_HOLD: Duration = Duration::from_mins(5);

/// What an attempt says of its receiver's capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It took the request.
    Taken,
    /// Nothing.
    Neutral,
    /// It is too slow.
    Slow,
    /// It is called too often.
    TooOften,
}

/// What an attempt tells.
#[derive(Clone, Copy, Debug)]
pub struct Feedback {
    /// Of the capacity.
    pub signal: Signal,
    /// How long the receiver wants to be left alone.
    pub hold: Option<Duration>,
    /// When the attempt began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
}

impl Feedback {
    /// Until when nothing is to be sent, by any worker.
    pub(crate) fn held_until(&self) -> Option<DateTime<Utc>> {
        self.hold.map(|hold| self.ended + delta(hold.min(LONGEST_HOLD)))
    }
}

/// One receiver.
#[derive(Debug)]
pub(super) struct Flow {
    most: f64,
    window: f64,
    window_cut: Option<DateTime<Utc>>,
    pace: Option<Pace>,
    held_until: Option<DateTime<Utc>>,
    taken: Meter,
    touched: Option<DateTime<Utc>>,
}

impl Flow {
    /// Without limits but the cap.
    pub(super) fn new(most: u32) -> Self {
        let most = f64::from(most);
        Self {
            most,
            window: most,
            window_cut: None,
            pace: None,
            held_until: None,
            taken: Meter::default(),
            touched: None,
        }
    }

    /// Counts a request that is about to be made.
    pub(super) fn spend(&mut self, now: DateTime<Utc>) {
        if let Some(pace) = &mut self.pace {
            pace.spend(now);
        }
    }

    /// Takes in the end of an attempt; whether it slowed the webhook down.
    pub(super) fn hear(&mut self, told: Feedback) -> bool {
        self.touched = Some(told.ended);
        let held = told.held_until().map(|until| until.min(told.ended + NOTED));
        self.held_until = self.held_until.max(held);
        match told.signal {
            Signal::Neutral => false,
            Signal::Taken => {
                self.taken.count(told.ended);
                if let Some(pace) = self.pace.as_mut().filter(|pace| told.started <= pace.since) {
                    // Begun before the refusal, heard after it: taken at the same rate.
                    let taken = self.taken.per_second(told.ended).min(pace.most);
                    pace.ceiling = pace.ceiling.max(taken);
                }
                self.window = (self.window + 1.0 / self.window).min(self.most);
                false
            }
            Signal::Slow => self.narrow(told),
            Signal::TooOften => self.slow_down(told),
        }
    }

    /// Halves the window, unless the attempt began before it was halved last.
    fn narrow(&mut self, told: Feedback) -> bool {
        if self.window_cut.is_some_and(|cut| told.started <= cut) {
            return false;
        }
        self.window = (self.window / 2.0).max(1.0);
        self.window_cut = Some(told.ended);
        true
    }

    /// Lowers the rate, unless the attempt began before it was lowered last.
    fn slow_down(&mut self, told: Feedback) -> bool {
        let now = told.ended;
        let taken = self.taken.per_second(now);
        let (least, most) = match &self.pace {
            Some(pace) if told.started <= pace.since => return false,
            // A pause may have emptied the meter: at most half is lost at once.
            Some(pace) => (pace.rate(now) / 2.0, pace.rate(now)),
            None => (SLOWEST, f64::INFINITY),
        };
        let ceiling = taken.clamp(least, most).max(SLOWEST);
        self.pace = Some(Pace { ceiling, most, since: now, paid_until: now });
        true
    }

    /// How many more requests may begin while so many are under way.
    pub(super) fn room(&mut self, busy: u32, now: DateTime<Utc>) -> u32 {
        if self.held_until.is_some_and(|until| now < until) {
            return 0;
        }
        self.pace.take_if(|pace| pace.is_over(now));
        let open = self.window.floor() - f64::from(busy);
        whole(self.pace.as_ref().map_or(open, |pace| open.min(pace.tokens(now))))
    }

    /// When there may be room again, if time alone brings it.
    pub(super) fn opens(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let token = self.pace.as_ref().map(|pace| pace.next_token(now));
        token.max(self.held_until).filter(|at| *at > now)
    }

    /// Whether it holds its receiver back.
    pub(super) fn is_limiting(&self, now: DateTime<Utc>) -> bool {
        self.pace.is_some()
            || self.window < self.most
            || self.held_until.is_some_and(|until| now < until)
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_idle(&self, now: DateTime<Utc>) -> bool {
        let quiet = |touched| now - touched > TimeDelta::minutes(10);
        let unused = !self.is_limiting(now)
            && self.touched.is_none_or(|touched| now - touched > TimeDelta::seconds(2));
        unused || self.touched.is_some_and(quiet)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range before"
)]
fn whole(number: f64) -> u32 {
    // What should be a whole number may be a rounding error short of it.
    (number + 1e-6).clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_323_045_000).unwrap()
    }

    fn told(signal: Signal, at: DateTime<Utc>) -> Feedback {
        Feedback { signal, hold: None, started: at - TimeDelta::milliseconds(1), ended: at }
    }

    #[test]
    fn a_round_of_timeouts_halves_the_window_once_and_answers_widen_it_again() {
        let mut flow = Flow::new(32);
        for _ in 0..32 {
            flow.hear(told(Signal::Slow, start()));
        }
        assert_eq!(flow.room(0, start()), 16);
        for round in 1..10 {
            flow.hear(told(Signal::Slow, start() + TimeDelta::seconds(round)));
        }
        assert_eq!((flow.room(0, start()), flow.room(1, start())), (1, 0));
        for _ in 0..2000 {
            flow.hear(told(Signal::Taken, start()));
        }
        assert_eq!(flow.room(0, start()), 32);
        assert!(!flow.is_limiting(start()));
    }

    #[test]
    fn retry_after_holds_everything_until_it_is_written_down_for_five_minutes_at_most() {
        let mut flow = Flow::new(32);
        let hold = |seconds| Feedback {
            hold: Some(Duration::from_secs(seconds)),
            ..told(Signal::Neutral, start())
        };
        flow.hear(hold(4));
        let until = start() + TimeDelta::seconds(4);
        assert_eq!(flow.opens(start()), Some(until));
        assert_eq!(flow.room(0, until - TimeDelta::milliseconds(1)), 0);
        assert_eq!(flow.room(0, until), 32);
        flow.hear(hold(86_400));
        assert_eq!(flow.opens(start()), Some(start() + NOTED));
        assert_eq!(hold(86_400).held_until(), Some(start() + TimeDelta::minutes(5)));
    }

    /// A receiver that takes so many requests in each second of its clock, answers after 20 ms, and asks those that it
    /// refuses to wait for a second; 20 minutes of endless work for it. Counts what it took and refused after the first
    /// two minutes.
    fn against(ceiling: u32, patience: Option<u64>) -> (u32, u32) {
        let mut flow = Flow::new(32);
        let mut under_way = std::collections::VecDeque::new();
        let (mut second, mut within, mut taken, mut refused) = (0, 0, 0, 0);
        for tick in 0..20 * 60 * 200 {
            let now = start() + TimeDelta::milliseconds(tick * 5);
            while let Some(end) = under_way.pop_front_if(|end: &mut Feedback| end.ended <= now) {
                flow.hear(end);
            }
            if now.timestamp() != second {
                (second, within) = (now.timestamp(), 0);
            }
            for _ in 0..flow.room(u32::try_from(under_way.len()).unwrap(), now) {
                flow.spend(now);
                within += 1;
                let (signal, hold) = if within <= ceiling {
                    (Signal::Taken, None)
                } else {
                    (Signal::TooOften, patience.map(Duration::from_secs))
                };
                if tick > 120 * 200 {
                    *(if signal == Signal::Taken { &mut taken } else { &mut refused }) += 1;
                }
                let ended = now + TimeDelta::milliseconds(20);
                under_way.push_back(Feedback { signal, hold, started: now, ended });
            }
        }
        (taken, refused)
    }

    #[test]
    fn a_receiver_with_a_ceiling_is_called_at_nine_tenths_of_it_and_refuses_less_than_one_in_a_hundred()
     {
        for ceiling in [5, 20, 50, 200, 1000] {
            for patience in [None, Some(1)] {
                let (taken, refused) = against(ceiling, patience);
                let possible = ceiling * 18 * 60;
                println!(
                    "{ceiling}/s {patience:?}: {taken} of {possible} taken, {refused} refused"
                );
                assert!(f64::from(taken) >= 0.9 * f64::from(possible), "{ceiling}: {taken}");
                assert!(f64::from(refused) < 0.01 * f64::from(taken), "{ceiling}: {refused}");
            }
        }
    }
}
