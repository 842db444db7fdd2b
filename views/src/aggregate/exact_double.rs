//! `ExactDouble`: the exact sum of any doubles, in any order, with any of them taken back.
//!
//! A fixed-point number in two's complement, 64 bits a limb, whose bit 0 weighs 2^-1074, the least double. Only the
//! limbs between the lowest and highest one in use are kept: sums of doubles of like magnitude take two or three.
//! NaN and the infinities are counted beside it. Rounded once, to nearest even, when read.

use smallvec::SmallVec;

use super::codec::{Reader, Writer};
use crate::error::Result;

/// Bits of a limb.
const LIMB_BITS: usize = 64;
/// Bits of a double's mantissa, the hidden one included.
const MANTISSA_BITS: usize = 53;
/// Limbs that finite doubles can reach, with room for 2^63 of the greatest.
const LIMBS_MAX: usize = 36;

/// An exact sum of doubles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExactDouble {
    /// Limbs from `low` up; the top bit of the last one is the sign. Empty: zero.
    limbs: SmallVec<[u64; 4]>,
    /// Which limb of the whole number `limbs[0]` is.
    low: usize,
    nans: i64,
    infinities: i64,
    negative_infinities: i64,
}

impl ExactDouble {
    /// Adds `number` (`weight` 1) or takes it back (`weight` -1).
    pub(crate) fn add(&mut self, number: f64, weight: i64) {
        if number.is_nan() {
            self.nans += weight;
            return;
        }
        if number.is_infinite() {
            if number > 0.0 {
                self.infinities += weight;
            } else {
                self.negative_infinities += weight;
            }
            return;
        }
        let bits = number.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, position) = if exponent == 0 {
            (fraction, 0)
        } else {
            (fraction | (1 << 52), exponent - 1)
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most 2046")]
        self.add_bits(
            mantissa,
            position as usize,
            number.is_sign_negative() != (weight < 0),
        );
    }

    /// Adds a whole number.
    pub(crate) fn add_whole(&mut self, number: i128) {
        let magnitude = number.unsigned_abs();
        #[expect(clippy::cast_possible_truncation, reason = "halves of a u128")]
        let halves = [magnitude as u64, (magnitude >> 64) as u64];
        for (half, position) in halves.into_iter().zip([1074, 1074 + LIMB_BITS]) {
            self.add_bits(half, position, number < 0);
        }
    }

    /// Adds or subtracts `mantissa` shifted up by `position` bits.
    fn add_bits(&mut self, mantissa: u64, position: usize, negative: bool) {
        if mantissa == 0 {
            return;
        }
        let (limb, shift) = (position / LIMB_BITS, position % LIMB_BITS);
        let shifted = u128::from(mantissa) << shift;
        self.reach(limb);
        #[expect(clippy::cast_possible_truncation, reason = "halves of a u128")]
        let mut parts = [shifted as u64, (shifted >> 64) as u64].into_iter();
        let mut carry = false;
        let from = limb - self.low;
        for limb in self.limbs.iter_mut().skip(from) {
            let part = parts.next().unwrap_or(0);
            if part == 0 && !carry && parts.len() == 0 {
                break;
            }
            let (sum, first, second) = if negative {
                let (sum, first) = limb.overflowing_sub(part);
                let (sum, second) = sum.overflowing_sub(u64::from(carry));
                (sum, first, second)
            } else {
                let (sum, first) = limb.overflowing_add(part);
                let (sum, second) = sum.overflowing_add(u64::from(carry));
                (sum, first, second)
            };
            *limb = sum;
            carry = first || second;
        }
        self.trim();
    }

    /// Makes room for two limbs from `limb` on, and for a carry beyond all of them.
    fn reach(&mut self, limb: usize) {
        if self.limbs.is_empty() {
            self.low = limb;
        }
        let below = self.low.saturating_sub(limb);
        if below > 0 {
            self.limbs.insert_many(0, std::iter::repeat_n(0, below));
            self.low = limb;
        }
        let sign = self.sign();
        if self.limbs.last().is_some_and(|top| *top != sign) {
            self.limbs.push(sign);
        }
        let len = (limb + 3 - self.low).max(self.limbs.len());
        self.limbs.resize(len, sign);
    }

    /// The limb that continues the number above its last one.
    fn sign(&self) -> u64 {
        match self.limbs.last() {
            Some(top) if top >> 63 == 1 => u64::MAX,
            _ => 0,
        }
    }

    /// Drops limbs that say nothing.
    fn trim(&mut self) {
        while let [.., below, top] = self.limbs.as_slice() {
            let redundant = if below >> 63 == 1 { u64::MAX } else { 0 };
            if *top != redundant {
                break;
            }
            self.limbs.pop();
        }
        let zeros = self.limbs.iter().take_while(|limb| **limb == 0).count();
        if zeros == self.limbs.len() {
            self.limbs.clear();
            self.low = 0;
        } else if zeros > 0 {
            self.limbs.drain(..zeros);
            self.low += zeros;
        }
    }

    /// The sum rounded to the nearest double, ties to even; infinite if it lies beyond all doubles (see
    /// [`overflows`](Self::overflows)) or infinities were added. Zero is +0.
    pub(crate) fn to_f64(&self) -> f64 {
        if self.nans > 0 || (self.infinities > 0 && self.negative_infinities > 0) {
            return f64::NAN;
        }
        if self.infinities > 0 {
            return f64::INFINITY;
        }
        if self.negative_infinities > 0 {
            return f64::NEG_INFINITY;
        }
        let negative = self.sign() != 0;
        let magnitude = self.magnitude();
        let rounded = round(&magnitude, self.low);
        if negative { -rounded } else { rounded }
    }

    /// Whether finite numbers alone made the sum infinite.
    pub(crate) fn overflows(&self) -> bool {
        self.nans == 0
            && self.infinities == 0
            && self.negative_infinities == 0
            && self.to_f64().is_infinite()
    }

    fn magnitude(&self) -> SmallVec<[u64; 4]> {
        if self.sign() == 0 {
            return self.limbs.clone();
        }
        let mut carry = true;
        self.limbs
            .iter()
            .map(|limb| {
                let (negated, overflow) = (!limb).overflowing_add(u64::from(carry));
                carry = overflow;
                negated
            })
            .collect()
    }

    /// Appends the state bytes.
    pub(crate) fn encode(&self, out: &mut Writer<'_>) {
        out.uint(self.low as u64);
        out.uint(self.limbs.len() as u64);
        for limb in &self.limbs {
            out.bytes(&limb.to_le_bytes());
        }
        out.int(self.nans);
        out.int(self.infinities);
        out.int(self.negative_infinities);
    }

    /// Reads the state bytes.
    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Self> {
        let low = input.len_up_to(LIMBS_MAX)?;
        let len = input.len_up_to(LIMBS_MAX)?;
        let mut limbs = SmallVec::with_capacity(len);
        for _ in 0..len {
            limbs.push(u64::from_le_bytes(input.array()?));
        }
        Ok(Self {
            limbs,
            low,
            nans: input.int()?,
            infinities: input.int()?,
            negative_infinities: input.int()?,
        })
    }
}

/// Rounds an unsigned fixed-point number whose limb 0 is limb `low` of the whole.
fn round(magnitude: &[u64], low: usize) -> f64 {
    let Some(top) = magnitude.iter().rposition(|limb| *limb != 0) else {
        return 0.0;
    };
    let limb = |place: usize| magnitude.get(place).copied().unwrap_or(0);
    let top_bit = LIMB_BITS - 1 - limb(top).leading_zeros() as usize;
    // Position of the highest bit set, in the whole number.
    let highest = (low + top) * LIMB_BITS + top_bit;
    if highest < MANTISSA_BITS {
        // Subnormal, or the least normals: every bit fits, and all are in the lowest limb.
        return f64::from_bits(limb(top));
    }
    // The 53 bits from the highest down, the next one, and whether anything is below that.
    let lowest = highest + 1 - MANTISSA_BITS;
    let bit_at = |position: usize| -> u64 {
        let place = position / LIMB_BITS;
        if place < low {
            0
        } else {
            (limb(place - low) >> (position % LIMB_BITS)) & 1
        }
    };
    let below = lowest - 1;
    let (place, shift) = (lowest / LIMB_BITS, lowest % LIMB_BITS);
    let part = |place: usize| if place < low { 0 } else { limb(place - low) };
    let wide = u128::from(part(place)) | (u128::from(part(place + 1)) << LIMB_BITS);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the mantissa's 53 bits are cut out"
    )]
    let mut mantissa = (wide >> shift) as u64 & ((1 << MANTISSA_BITS) - 1);
    if lowest > 0 && bit_at(below) == 1 {
        let sticky = (0..below / LIMB_BITS + 1).any(|place| {
            let bits = part(place);
            if place == below / LIMB_BITS {
                bits & ((1_u64 << (below % LIMB_BITS)) - 1) != 0
            } else {
                bits != 0
            }
        });
        if sticky || mantissa & 1 == 1 {
            mantissa += 1;
        }
    }
    // Position 52 is the hidden bit of the least normal: exponent field 1. A carry moves into the exponent by itself.
    let exponent = (lowest + 1) as u64;
    if exponent >= 0x7ff {
        return f64::INFINITY;
    }
    f64::from_bits((exponent << 52) + (mantissa - (1 << 52)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigdecimal::BigDecimal;

    struct Rng(u64);
    impl Rng {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        }
    }

    fn exact(number: f64) -> BigDecimal {
        BigDecimal::try_from(number).unwrap()
    }

    fn sum(numbers: &[f64]) -> ExactDouble {
        let mut sum = ExactDouble::default();
        for number in numbers {
            sum.add(*number, 1);
        }
        sum
    }

    #[test]
    fn one_double_is_itself() {
        let mut rng = Rng(1);
        let special = [
            f64::MIN_POSITIVE,
            f64::MAX,
            -f64::MAX,
            5e-324,
            -5e-324,
            2.0 * 5e-324,
            f64::MIN_POSITIVE - 5e-324,
            1.0,
            -1.5,
            0.1,
        ];
        let random = (0..10_000).map(|_| f64::from_bits(rng.next()));
        for number in special
            .into_iter()
            .chain(random)
            .filter(|n| n.is_finite() && *n != 0.0)
        {
            let back = sum(&[number]).to_f64();
            assert_eq!(
                back.to_bits(),
                number.to_bits(),
                "{number:e} became {back:e}"
            );
        }
    }

    #[test]
    fn sums_do_not_depend_on_order_and_are_the_nearest_double() {
        for seed in 0..200 {
            let mut rng = Rng(seed);
            let wide = seed % 2 == 0;
            let numbers: Vec<f64> = (0..20)
                .map(|_| {
                    let mantissa = (rng.next() as i64 >> 11) as f64;
                    let exponent = if wide {
                        rng.next() % 120
                    } else {
                        rng.next() % 8
                    };
                    mantissa * 2f64.powi(exponent as i32 - 60)
                })
                .collect();
            let mut reversed = numbers.clone();
            reversed.reverse();
            let (a, b) = (sum(&numbers), sum(&reversed));
            assert_eq!(a, b, "seed {seed}");
            let decimal: BigDecimal = numbers.iter().map(|n| exact(*n)).sum();
            let got = a.to_f64();
            let error = (exact(got) - &decimal).abs();
            for neighbour in [got.next_up(), got.next_down()] {
                assert!(error <= (exact(neighbour) - &decimal).abs(), "seed {seed}");
            }
        }
    }

    #[test]
    fn what_was_taken_back_leaves_no_trace() {
        for seed in 0..200 {
            let mut rng = Rng(seed);
            let numbers: Vec<f64> = (0..30).map(|_| f64::from_bits(rng.next())).collect();
            let mut all = sum(&numbers);
            for number in numbers.iter().skip(10) {
                all.add(*number, -1);
            }
            let kept: Vec<f64> = numbers.iter().take(10).copied().collect();
            assert_eq!(all, sum(&kept), "seed {seed}");
            let mut bytes = Vec::new();
            all.encode(&mut Writer::new(&mut bytes));
            assert_eq!(ExactDouble::decode(&mut Reader::new(&bytes)).unwrap(), all);
        }
    }

    #[test]
    fn ties_go_to_even_and_overflow_is_told() {
        assert_eq!(sum(&[2f64.powi(53), 1.0]).to_f64(), 2f64.powi(53));
        assert_eq!(
            sum(&[2f64.powi(53), 2.0, 1.0]).to_f64(),
            2f64.powi(53) + 4.0
        );
        assert_eq!(sum(&[1e100, 1.0, -1e100]).to_f64(), 1.0);
        assert!(sum(&[f64::MAX, f64::MAX]).overflows());
        assert!(!sum(&[f64::MAX, f64::MAX, -f64::MAX]).overflows());
        assert!(!sum(&[f64::INFINITY]).overflows());
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).to_f64().is_nan());
        let mut whole = ExactDouble::default();
        whole.add_whole(i128::from(i64::MIN) * 4);
        assert_eq!(whole.to_f64(), -(2f64.powi(65)));
    }
}
