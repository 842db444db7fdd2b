//! `Rng`: splitmix64 (Steele, Lea, Flood 2014), the only source of chance in this room.
//!
//! The same seed gives the same numbers on every machine. It never reads a clock. Next door: `choices`.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// Bytes at which codecs change their mind.
const HARD: [u8; 10] = [0, 0, 1, 2, 0x7F, 0x80, 0x81, 0xFE, 0xFF, 0xFF];

impl Rng {
    /// The stream of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of a part of a run: `seed` and the part's number, mixed.
    #[must_use]
    pub fn of_part(seed: u64, part: u64) -> Self {
        let mut rng = Self(part);
        let salt = rng.next_u64();
        Self(seed ^ salt)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number less than `end`; 0 if `end` is 0.
    pub const fn below(&mut self, end: usize) -> usize {
        match self.next_u64().checked_rem(end as u64) {
            Some(n) => n as usize,
            None => 0,
        }
    }

    /// Any byte, the hard ones more often.
    pub fn byte(&mut self) -> u8 {
        match self.below(3) {
            0 => HARD[self.below(HARD.len())],
            _ => self.next_u64() as u8,
        }
    }

    /// Up to `len_max` such bytes.
    pub fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        (0..self.below(len_max + 1)).map(|_| self.byte()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_paper() {
        let mut rng = Rng::new(1_234_567);
        let first = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([rng.next_u64(), rng.next_u64()], first);
    }

    #[test]
    fn nothing_is_below_nothing() {
        assert_eq!(Rng::new(1).below(0), 0);
    }
}
