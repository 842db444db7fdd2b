//! Makes a failing input smaller while it still fails: pieces are cut out, then bytes are made 0 or a blank.
//!
//! It tries a bounded number of times and never returns an input that passes. Next door: `campaign`.

/// Inputs tried at most.
const TRIES_MAX: u32 = 2_000;

/// The smallest input found for which `fails` holds; it must hold for `input`.
pub(crate) fn shrink(input: &[u8], mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = input.to_vec();
    let mut tries = TRIES_MAX;
    let mut accept = |best: &mut Vec<u8>, candidate: Vec<u8>| {
        let better = tries > 0 && candidate != *best && fails(&candidate);
        tries = tries.saturating_sub(1);
        if better {
            *best = candidate;
        }
        better
    };
    let mut piece = best.len().div_ceil(2);
    while piece > 0 {
        let mut at = 0;
        while at < best.len() {
            let mut candidate = best.clone();
            candidate.drain(at..(at + piece).min(best.len()));
            if !accept(&mut best, candidate) {
                at += piece;
            }
        }
        piece /= 2;
    }
    for at in 0..best.len() {
        for plain in [0, b' '] {
            let mut candidate = best.clone();
            candidate[at] = plain;
            if best[at] == 0 || accept(&mut best, candidate) {
                break;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_stays() {
        let input: Vec<u8> = (0..=255).collect();
        let fails = |input: &[u8]| input.contains(&7) && input.contains(&200);
        assert_eq!(shrink(&input, fails), [7, 200]);
    }

    #[test]
    fn what_must_be_long_stays_long_and_becomes_plain() {
        assert_eq!(shrink(&[9; 10], |input| input.len() >= 4), [0; 4]);
    }
}
