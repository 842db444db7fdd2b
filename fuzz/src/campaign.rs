//! `Campaign`: a target, a seed and a corpus; it makes inputs by number, runs them and shrinks what fails.
//!
//! A panic is a finding; a crash of the process (a stack that overflows) is not caught here, but the number of the
//! input repeats it. It keeps no clock and no thread. Next door: `target`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mutate::mutate;
use crate::rng::Rng;
use crate::shrink::shrink;
use crate::target::Target;

/// Longest input of nothing but random bytes.
const RANDOM_BYTES_MAX: usize = 300;

/// A run of one target.
#[derive(Debug)]
pub struct Campaign {
    target: &'static Target,
    seed: u64,
    corpus: Vec<Vec<u8>>,
}

impl Campaign {
    /// A run that takes inputs from the corpus, too.
    #[must_use]
    pub const fn new(target: &'static Target, seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        Self {
            target,
            seed,
            corpus,
        }
    }

    /// Input number `index`: most are plausible ones with some damage, the others plausible or random throughout.
    #[must_use]
    pub fn input(&self, index: u64) -> Vec<u8> {
        let mut rng = Rng::of_part(self.seed, index);
        let kind = rng.below(8);
        if kind == 0 {
            return rng.bytes(RANDOM_BYTES_MAX);
        }
        let mut input = self.plausible(&mut rng);
        if kind > 2 {
            let other = self.plausible(&mut rng);
            mutate(&mut rng, &mut input, &other, self.target.words);
        }
        input
    }

    fn plausible(&self, rng: &mut Rng) -> Vec<u8> {
        let place = rng.below(2 * self.corpus.len());
        match self.corpus.get(place) {
            Some(entry) => entry.clone(),
            None => (self.target.generate)(rng),
        }
    }

    /// Runs one input; what the target panicked with, if it did.
    #[must_use]
    pub fn failure(&self, input: &[u8]) -> Option<String> {
        let panic = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input))).err()?;
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Some(text.unwrap_or("a panic without a message").to_owned())
    }

    /// A small input that fails as `input` does, or at least fails.
    #[must_use]
    pub fn shrunk(&self, input: &[u8]) -> Vec<u8> {
        shrink(input, |candidate| self.failure(candidate).is_some())
    }
}
