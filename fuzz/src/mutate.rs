//! Small damage: what turns an input that gets far into one that goes wrong late.
//!
//! Each mutation changes a few bytes; several may follow each other. It knows nothing of what the bytes mean but a
//! target's words. Next door: `campaign`.

use crate::rng::Rng;

/// No input becomes longer.
pub(crate) const INPUT_BYTES_MAX: usize = 16 << 10;

/// Changes an input in one to four places. `other` is an input to take pieces from, `words` what the target's format
/// is made of.
pub(crate) fn mutate(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    for _ in 0..1 + rng.below(4) {
        mutate_once(rng, input, other, words);
    }
    input.truncate(INPUT_BYTES_MAX);
}

fn mutate_once(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let place = rng.below(input.len() + 1);
    let len_max = if rng.below(4) == 0 { 200 } else { 8 };
    let len = 1 + rng.below(len_max);
    let end = (place + len).min(input.len());
    match rng.below(9) {
        0 => replace(input, place, place + 1, &[rng.byte()]),
        1 => {
            let bit = 1 << rng.below(8);
            if let Some(byte) = input.get_mut(place) {
                *byte ^= bit;
            }
        }
        2 => replace(input, place, place, &rng.bytes(8)),
        3 => replace(input, place, end, &[]),
        4 => {
            let piece = input[place..end].to_vec();
            let to = rng.below(input.len() + 1);
            replace(input, to, to, &piece);
        }
        5 => {
            let from = rng.below(other.len() + 1);
            let piece = &other[from..(from + len).min(other.len())];
            let until = if rng.below(2) == 0 { place } else { end };
            replace(input, place, until, piece);
        }
        6 => {
            // Lengths and counts: a number of two or four bytes, little-endian.
            let near = [
                0,
                1,
                0x7F,
                0x80,
                0xFF,
                0x7FFF_FFFF,
                0x8000_0000,
                0xFFFF_FFFF_u32,
            ];
            let number = near[rng.below(near.len())].wrapping_sub(rng.below(2) as u32);
            let width = 2 + 2 * rng.below(2);
            let bytes = &number.to_le_bytes()[..width];
            replace(input, place, place + width, bytes);
        }
        7 => {
            let word = words.get(rng.below(words.len())).copied().unwrap_or("");
            replace(input, place, place, word.as_bytes());
        }
        _ => input.truncate(place),
    }
}

/// Puts `piece` in the place of what stands between two offsets, as far as there is anything.
fn replace(input: &mut Vec<u8>, from: usize, until: usize, piece: &[u8]) {
    let until = until.min(input.len());
    input.splice(from.min(until)..until, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_is_too_short_or_too_long_to_be_changed() {
        for seed in 0..2_000 {
            let mut rng = Rng::new(seed);
            let mut input = if seed % 2 == 0 {
                Vec::new()
            } else {
                rng.bytes(100)
            };
            for _ in 0..20 {
                mutate(&mut rng, &mut input, b"0123456789", &["SELECT "]);
            }
            assert!(input.len() <= INPUT_BYTES_MAX);
        }
    }
}
