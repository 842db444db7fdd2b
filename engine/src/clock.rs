//! `Clock`: where the engine gets the time from: the system's, or one that a test moves by hand.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time, asked for once a statement and once a commit.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tailwater::{Clock, Database};
///
/// # fn main() -> tailwater::Result<()> {
/// /// Every look at the clock is a second later than the one before.
/// #[derive(Default)]
/// struct Steps(std::sync::atomic::AtomicI64);
/// impl Clock for Steps {
///     fn now_us(&self) -> i64 {
///         self.0.fetch_add(1_000_000, std::sync::atomic::Ordering::Relaxed)
///     }
///     fn monotonic(&self) -> Duration {
///         Duration::ZERO
///     }
/// }
///
/// let db = Database::builder().clock(Arc::new(Steps::default())).memory()?;
/// let now = || db.query("SELECT CAST(now() AS TEXT)", ())?.scalar::<String>();
/// assert!(now()? < now()?);
/// # Ok(())
/// # }
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// use tailwater::{Clock, ManualClock};
    ///
    /// assert_eq!(ManualClock::at(1_500_000).now_us(), 1_500_000); // 1970-01-01 00:00:01.5 UTC
    /// ```
    fn now_us(&self) -> i64;

    /// A time that never goes back, for deadlines.
    ///
    /// ```
    /// use tailwater::{Clock, SystemClock};
    ///
    /// let clock = SystemClock::default();
    /// let earlier = clock.monotonic();
    /// assert!(clock.monotonic() >= earlier);
    /// ```
    fn monotonic(&self) -> Duration;
}

/// The system's clock.
///
/// ```
/// use tailwater::{Clock, SystemClock};
///
/// let us_2020 = 1_577_836_800_000_000;
/// assert!(SystemClock::default().now_us() > us_2020);
/// ```
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now_us(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
            })
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A clock that stands still until it is moved.
///
/// ```
/// use std::sync::Arc;
/// use tailwater::{Database, FeedEvent, FeedRequest, ManualClock};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::builder().clock(Arc::new(ManualClock::at(5_000_000))).memory()?;
/// db.exec("CREATE TABLE t", ())?;
/// let mut feed = db.subscribe(FeedRequest::of("t").without_snapshot())?;
/// db.exec("INSERT INTO t VALUES {a: 1}", ())?;
/// assert!(matches!(feed.recv()?, FeedEvent::Frame(frame) if frame.commit_time_us == 5_000_000));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now_us` microseconds since 1970-01-01 UTC.
    ///
    /// ```
    /// use tailwater::{Clock, ManualClock};
    ///
    /// static NOON: ManualClock = ManualClock::at(43_200_000_000);
    /// assert_eq!(NOON.monotonic().as_secs(), 12 * 3600);
    /// ```
    #[must_use]
    pub const fn at(now_us: i64) -> Self {
        Self(AtomicI64::new(now_us))
    }

    /// Moves the clock on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tailwater::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::default();
    /// clock.advance(Duration::from_millis(1));
    /// clock.advance(Duration::from_micros(5));
    /// assert_eq!(clock.now_us(), 1_005);
    /// ```
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(
            i64::try_from(by.as_micros()).unwrap_or(i64::MAX),
            Ordering::Relaxed,
        );
    }
}

impl Clock for ManualClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.now_us()).unwrap_or(0))
    }
}
