//! `Choices`: an input read as a sequence of decisions, so that bytes become values, statements, histories.
//!
//! Every byte string is a valid sequence: when it ends, the remaining decisions are 0, which targets make the dull
//! one, so that shorter inputs are simpler cases. It never fails. Next door: `value`, `sql_text`.

/// Decisions taken from the front of an input.
#[derive(Clone, Debug)]
pub struct Choices<'b>(&'b [u8]);

impl<'b> Choices<'b> {
    /// The decisions of an input.
    #[must_use]
    pub const fn new(input: &'b [u8]) -> Self {
        Self(input)
    }

    /// Whether all that follows is 0.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has not been decided yet.
    #[must_use]
    pub const fn rest(&self) -> &'b [u8] {
        self.0
    }

    /// The next byte.
    pub const fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number less than `end` (at most 256 of them); 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()).checked_rem(end).unwrap_or(0)
    }

    /// Eight bytes.
    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// One of several; there must be one.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Up to `len_max` bytes (at most 255).
    pub fn bytes(&mut self, len_max: usize) -> &'b [u8] {
        let len = self.below(len_max + 1).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_ended_decides_for_0() {
        let mut choices = Choices::new(&[7, 9]);
        assert_eq!((choices.byte(), choices.below(4)), (7, 1));
        assert!(choices.is_empty());
        assert_eq!((choices.byte(), choices.word()), (0, 0));
        assert_eq!(choices.pick(&["dull", "wild"]), "dull");
        assert!(choices.bytes(10).is_empty());
    }
}
