//! The sliding-window counter (requirement R-15): two counts a key. The window before counts for the part of it that
//! still lies within one window of now, so that no edge lets twice the quota through. Whole milliseconds and whole
//! requests, so that Redis and this process decide alike.

use super::rate::Rate;

/// What was admitted of one key in the window under way and in the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Which window is under way, counted from the Unix epoch.
    pub number: i64,
    /// Admitted in the one before.
    pub previous: u32,
    /// Admitted in this one.
    pub current: u32,
}

impl Window {
    /// Counts one request if it fits, and says whether it did. What is refused is not counted, so that whoever
    /// waits as told is admitted.
    #[must_use]
    pub fn take(&mut self, rate: Rate, now_ms: i64) -> bool {
        *self = self.at(rate, now_ms);
        let admitted = self.wait(rate, now_ms) == 0;
        self.current += u32::from(admitted);
        admitted
    }

    /// How many more are admitted now.
    pub(super) fn remaining(self, rate: Rate, now_ms: i64) -> u32 {
        let (window, quota) = (rate.window_ms(), i64::from(rate.quota));
        let fading = i64::from(self.previous) * (window - self.elapsed(rate, now_ms));
        let free = (quota * window - fading).div_euclid(window) - i64::from(self.current);
        u32::try_from(free).unwrap_or(0)
    }

    /// Milliseconds until the window under way ends.
    pub(super) fn rest(self, rate: Rate, now_ms: i64) -> i64 {
        rate.window_ms() - self.elapsed(rate, now_ms)
    }

    /// Milliseconds until one more is admitted, if nothing else is; 0 when it is admitted now.
    pub(super) fn wait(self, rate: Rate, now_ms: i64) -> i64 {
        let elapsed = self.elapsed(rate, now_ms);
        let free = i64::from(rate.quota) - i64::from(self.current) - 1;
        if free >= 0 {
            return (fades(self.previous, free, rate) - elapsed).max(0);
        }
        // This window is full: in the next one it is the one that fades.
        let free = i64::from(rate.quota) - 1;
        rate.window_ms() - elapsed + fades(self.current, free, rate)
    }

    /// The same counts in the window that `now` lies in. Processes share a key: one whose clock is a little behind
    /// stays in the later window. More than a window behind, the other clock must have been ahead, and the caller is
    /// not made to wait for its time.
    fn at(self, rate: Rate, now_ms: i64) -> Self {
        let number = now_ms.div_euclid(rate.window_ms());
        match number - self.number {
            -1 | 0 => self,
            1 => Self { number, previous: self.current, current: 0 },
            2.. => Self { number, ..Self::default() },
            _ => Self { number, previous: 0, ..self },
        }
    }

    fn elapsed(self, rate: Rate, now_ms: i64) -> i64 {
        (now_ms - self.number * rate.window_ms()).max(0)
    }
}

/// How far into a window no more than `free` of the one before still count, in milliseconds.
fn fades(previous: u32, free: i64, rate: Rate) -> i64 {
    let (window, previous) = (rate.window_ms(), i64::from(previous));
    if previous <= free {
        return 0;
    }
    window - free * window / previous
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { quota: 10, window: 60 };
    const START: i64 = 60_000 * 1_000;

    fn take(window: &mut Window, times: u32, now_ms: i64) -> u32 {
        (0..times).map(|_| u32::from(window.take(RATE, now_ms))).sum()
    }

    #[test]
    fn the_edge_of_a_window_lets_no_second_burst_through() {
        let mut window = Window::default();
        assert_eq!(take(&mut window, 20, START + 59_999), 10);
        assert_eq!(take(&mut window, 20, START + 60_000), 0);
        assert_eq!(take(&mut window, 20, START + 60_000 + 5_999), 0);
        assert_eq!(take(&mut window, 20, START + 60_000 + 6_000), 1);
        assert_eq!(take(&mut window, 20, START + 60_000 + 30_000), 4);
        assert_eq!(take(&mut window, 20, START + 4 * 60_000), 10);
    }

    #[test]
    fn the_wait_is_exact_to_the_millisecond() {
        for (quota, before, at) in
            [(10, 10, 0), (10, 10, 59_999), (3, 3, 7), (1, 1, 0), (1, 1, 30_000), (7, 5, 11)]
        {
            let rate = Rate { quota, window: 60 };
            let mut window = Window::default();
            for _ in 0..before {
                assert!(window.take(rate, START + 30_000));
            }
            let now = START + 60_000 + at;
            while window.take(rate, now) {}
            let wait = window.wait(rate, now);
            assert!(wait > 0);
            assert!(!window.clone().take(rate, now + wait - 1), "{quota} {before} {at}: {wait}");
            assert!(window.take(rate, now + wait), "{quota} {before} {at}: {wait}");
        }
    }

    #[test]
    fn what_remains_is_what_is_then_admitted() {
        let mut window = Window::default();
        assert_eq!(take(&mut window, 8, START), 8);
        for at in (60_000..180_000).step_by(997) {
            let mut then = window.at(RATE, START + at);
            let remaining = then.remaining(RATE, START + at);
            assert_eq!(take(&mut then, 20, START + at), remaining, "{at}");
        }
    }

    #[test]
    fn a_clock_that_is_behind_gains_nothing() {
        let mut window = Window::default();
        assert_eq!(take(&mut window, 20, START + 60_000), 10);
        assert_eq!(take(&mut window, 20, START + 59_000), 0);
        assert_eq!(window.number, START / 60_000 + 1);
    }

    #[test]
    fn a_clock_that_was_ahead_locks_nobody_out() {
        let mut window = Window::default();
        assert_eq!(take(&mut window, 7, START + 86_400_000), 7);
        assert_eq!(take(&mut window, 20, START), 3);
        assert_eq!(take(&mut window, 20, START + 120_000), 10);
    }

    #[test]
    fn a_quota_that_was_lowered_holds_at_once_and_ends() {
        let mut window = Window { number: START / 60_000, previous: 0, current: 10 };
        let lower = Rate { quota: 2, ..RATE };
        assert_eq!(window.remaining(lower, START), 0);
        let wait = window.wait(lower, START);
        assert!(!window.take(lower, START + wait - 1) && window.take(lower, START + wait));
    }
}
