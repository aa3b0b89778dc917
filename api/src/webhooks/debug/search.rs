//! Tries what beginners do, the fewest mistakes first, until something gives the signature at hand.

use super::mistake::Mistake;

/// Most mistakes that are looked for together.
pub const MOST: usize = 2;

/// The longest body, in bytes, that two mistakes are looked for in: each try reads all of it.
const LONG: usize = 16 * 1024;

/// Something that may have gone into a signature, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Candidate<T> {
    /// The thing.
    pub value: T,
    /// What is wrong with it; nothing for the right one.
    pub mistakes: Vec<Mistake>,
}

impl<T> Candidate<T> {
    /// As it should be.
    pub fn right(value: T) -> Self {
        Self { value, mistakes: Vec::new() }
    }

    /// By a mistake.
    pub fn wrong(value: T, mistake: Mistake) -> Self {
        Self { value, mistakes: vec![mistake] }
    }

    /// With one more thing wrong.
    pub fn and(mut self, mistake: Option<Mistake>) -> Self {
        self.mistakes.extend(mistake);
        self
    }
}

/// All that may have gone into a signature.
pub struct Space<K> {
    /// What signed.
    pub keys: Vec<Candidate<K>>,
    /// What stands before the body.
    pub heads: Vec<Candidate<String>>,
    /// The body.
    pub bodies: Vec<Candidate<String>>,
}

impl<K> Space<K> {
    /// The fewest mistakes by which `fits` finds the signature; none when nothing does.
    pub fn search(&self, fits: impl Fn(&K, &[u8]) -> bool) -> Option<Vec<Mistake>> {
        self.search_up_to(MOST, fits)
    }

    /// The same with so many mistakes at most.
    pub fn search_up_to(
        &self,
        most: usize,
        fits: impl Fn(&K, &[u8]) -> bool,
    ) -> Option<Vec<Mistake>> {
        let long = self.bodies.iter().map(|body| body.value.len()).max() > Some(LONG);
        (0..=if long { most.min(1) } else { most }).find_map(|count| self.with(count, &fits))
    }

    /// The same with exactly so many mistakes.
    fn with(&self, count: usize, fits: &impl Fn(&K, &[u8]) -> bool) -> Option<Vec<Mistake>> {
        let mut message = Vec::new();
        for body in &self.bodies {
            for head in &self.heads {
                let wrong = head.mistakes.len() + body.mistakes.len();
                let keys = self.keys.iter().filter(|key| key.mistakes.len() + wrong == count);
                message.clear();
                for key in keys {
                    if message.is_empty() {
                        message.extend_from_slice(head.value.as_bytes());
                        message.extend_from_slice(body.value.as_bytes());
                    }
                    if fits(&key.value, &message) {
                        let parts = [&key.mistakes, &head.mistakes, &body.mistakes];
                        return Some(parts.into_iter().flatten().copied().collect());
                    }
                }
            }
        }
        None
    }
}
