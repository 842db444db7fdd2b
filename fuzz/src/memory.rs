//! How much address space the process has asked for at most, to tell allocations that follow an attacker's number.
//!
//! The figure is the system's (`VmPeak` on Linux) and never shrinks, so one reading before and one after are enough.
//! Where the system does not tell, nothing is checked. cargo-fuzz has a limit of its own beside it.

/// More than any honest input of a few kilobytes needs, in bytes; less than what one hostile length can ask for.
pub const GROWTH_BYTES_MAX: u64 = 512 << 20;

/// The most the process has held so far, in bytes.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Does some work and insists that it did not ask for unreasonably much.
///
/// # Panics
/// If the peak grew by more than [`GROWTH_BYTES_MAX`].
pub fn bounded<T>(work: impl FnOnce() -> T) -> T {
    bounded_to(GROWTH_BYTES_MAX, work)
}

/// As [`bounded`], with a bound of the caller's own. Other threads count, too.
///
/// # Panics
/// If the peak grew by more than `bytes_max`.
pub fn bounded_to<T>(bytes_max: u64, work: impl FnOnce() -> T) -> T {
    let before = peak_bytes();
    let done = work();
    if let (Some(before), Some(after)) = (before, peak_bytes()) {
        let growth = after.saturating_sub(before);
        assert!(growth <= bytes_max, "{} MiB were asked for", growth >> 20);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreasonable_allocation_is_noticed() {
        if peak_bytes().is_some() {
            let hostile = || std::hint::black_box(Vec::<u8>::with_capacity(2 << 30)).capacity();
            let noticed = std::panic::catch_unwind(|| bounded(hostile));
            assert!(noticed.is_err());
        }
        assert_eq!(bounded(|| vec![1; 1000].len()), 1000);
    }
}
