//! Counts in this process: all there is without Redis, and the floor when Redis is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::rate::Rate;
use super::window::Window;

/// Keys of one generation; at some 150 bytes each, both together stay below 20 MB.
const GENERATION: usize = 50_000;

/// A bounded number of windows. Whoever comes back moves to the young generation; when that is full, the old one is
/// forgotten, so that strangers who pass once cannot fill the memory.
#[derive(Debug)]
pub struct Memory {
    most: usize,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<String, Window>,
    old: HashMap<String, Window>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::holding(GENERATION)
    }
}

impl Memory {
    /// Remembers the `most` keys that came last, and forgets all but twice as many.
    #[must_use]
    pub fn holding(most: usize) -> Self {
        Self { most, generations: Mutex::default() }
    }

    /// Counts a request of this key if it fits; the window as it is then.
    pub fn take(&self, key: &str, rate: Rate, now_ms: i64) -> (bool, Window) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let window = generations.entry(key, self.most);
        (window.take(rate, now_ms), *window)
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.len() + generations.old.len()
    }
}

impl Generations {
    fn entry(&mut self, key: &str, most: usize) -> &mut Window {
        // Before the old ones are forgotten, of which it may be one.
        let remembered = self.old.remove(key).unwrap_or_default();
        if !self.young.contains_key(key) && self.young.len() >= most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.entry(key.to_owned()).or_insert(remembered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { quota: 2, window: 60 };

    #[test]
    fn who_comes_back_just_as_the_old_are_forgotten_is_remembered() {
        let memory = Memory::holding(100);
        let strangers = |from: u32, count: u32| {
            for stranger in from..from + count {
                memory.take(&format!("stranger {stranger}"), RATE, 0);
            }
        };
        while memory.take("regular", RATE, 0).0 {}
        // With the regular they fill the young generation; one more makes it the old one, and the others fill it again.
        strangers(0, 99);
        strangers(99, 100);
        assert!(!memory.take("regular", RATE, 0).0);
    }

    #[test]
    fn strangers_who_pass_once_neither_fill_the_memory_nor_displace_who_comes_back() {
        let memory = Memory::holding(100);
        let mut admitted = 0;
        for stranger in 0..10_000 {
            if stranger % 50 == 0 {
                admitted += u32::from(memory.take("regular", RATE, 0).0);
            }
            assert!(memory.take(&format!("stranger {stranger}"), RATE, 0).0);
            assert!(memory.keys() <= 200);
        }
        assert_eq!(admitted, 2);
    }
}
