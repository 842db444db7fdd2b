//! The databases beside ours, each in its best ordinary setting: prepared statements, its own log mode, its own
//! triggers for views. Which versions took part is read from the lock file, so that no line can lie about it.
//! Next door: `workload`, which makes them do the work.

#[cfg(feature = "differential")]
pub mod differential;
#[cfg(feature = "differential")]
pub mod differential_nexmark;
#[cfg(feature = "peers")]
pub mod fjall;
pub mod redb;
#[cfg(feature = "peers")]
pub mod sqlite;
#[cfg(feature = "peers")]
pub mod sqlite_nexmark;
#[cfg(feature = "turso")]
pub mod turso;

/// The version of a package this program was built with.
#[must_use]
pub fn locked_version(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    let mut lines = LOCK.lines();
    let is_it = |line: &str| {
        line.strip_prefix("name = \"")
            .and_then(|rest| rest.strip_suffix('"'))
            == Some(package)
    };
    if lines.any(is_it) {
        lines
            .next()
            .and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
            .unwrap_or("")
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    #[test]
    fn versions_come_from_the_lock_file() {
        assert!(locked_version("redb").starts_with("4."));
        assert_eq!(locked_version("no such package"), "");
    }
}
