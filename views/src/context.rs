//! `ExecContext`: what every evaluation and step is given: limits, counters, parameters, the transaction's time
//! and the principal. The room has no clock of its own: a deadline is a question put to the caller.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tailwater_proto::{Value, sqlstate};

use crate::error::{Error, Result};

/// Rows between two looks at the cancel flag and the deadline.
const ROWS_PER_CHECK: u64 = 256;

/// Stops a running statement from another thread.
///
/// ```
/// let token = tailwater_views::CancelToken::default();
/// let handed_out = token.clone();
/// std::thread::spawn(move || handed_out.cancel()).join().unwrap();
/// assert!(token.is_cancelled()); // clones are one token
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the statement to stop at its next check.
    ///
    /// ```
    /// use tailwater_views::{CancelToken, ExecContext};
    ///
    /// let cancel = CancelToken::default();
    /// let statement = ExecContext { cancel: cancel.clone(), ..ExecContext::default() };
    /// assert!(statement.check().is_ok());
    /// cancel.cancel();
    /// assert_eq!(statement.check().unwrap_err().sqlstate(), "57014");
    /// ```
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Forgets that stopping was asked for, so that the next statement runs.
    ///
    /// ```
    /// let token = tailwater_views::CancelToken::default();
    /// token.cancel();
    /// token.reset();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether stopping was asked for.
    ///
    /// ```
    /// let token = tailwater_views::CancelToken::default();
    /// let before = token.is_cancelled();
    /// token.cancel();
    /// assert_eq!((before, token.is_cancelled()), (false, true));
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What was done, counted: rows read from storages, rows evaluated by operators, bytes held.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rows fetched from a table, view or state storage.
    pub rows_read: AtomicU64,
    /// Rows an operator evaluated an expression on.
    pub rows_evaluated: AtomicU64,
    /// Bytes now held by sorts, hash tables and distinct sets.
    pub memory_bytes: AtomicU64,
}

/// Surroundings of one statement or one maintenance step. Clones share counters and limits.
#[derive(Clone)]
pub struct ExecContext {
    /// Stops the statement.
    pub cancel: CancelToken,
    /// Answers whether the deadline has passed; `None`: no deadline.
    pub deadline: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// Bytes that sorts, hash tables and distinct sets may hold together.
    pub memory_bytes_max: u64,
    /// Rows a statement may read from storages.
    pub rows_max: u64,
    /// Transaction time in microseconds since 1970-01-01 UTC: what `now()` returns.
    pub now_us: i64,
    /// Who runs the statement; empty for the embedding program.
    pub principal: Arc<str>,
    /// Values of `?`, `$1`, `$name`, by position.
    pub parameters: Arc<[Value]>,
    /// Random bits for volatile functions; `None`: the system's. A simulation gives its own, from its seed.
    pub entropy: Option<Arc<dyn Fn() -> u64 + Send + Sync>>,
    /// What was done so far.
    pub counters: Arc<Counters>,
}

impl Default for ExecContext {
    fn default() -> Self {
        Self {
            cancel: CancelToken::default(),
            deadline: None,
            memory_bytes_max: u64::MAX,
            rows_max: u64::MAX,
            now_us: 0,
            principal: Arc::from(""),
            parameters: Arc::from([]),
            entropy: None,
            counters: Arc::default(),
        }
    }
}

impl fmt::Debug for ExecContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecContext")
            .field("now_us", &self.now_us)
            .field("principal", &self.principal)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl ExecContext {
    /// Counts a row read from a storage and looks, now and then, whether to stop.
    ///
    /// # Errors
    /// `57014` when cancelled or past the deadline, `54000` past `rows_max`.
    pub fn count_row_read(&self) -> Result<()> {
        let rows = self.counters.rows_read.fetch_add(1, Ordering::Relaxed) + 1;
        if rows > self.rows_max {
            return Err(Error::Stopped {
                sqlstate: sqlstate::PROGRAM_LIMIT_EXCEEDED,
                message: format!("statement read more than {} rows (rows_max)", self.rows_max),
            });
        }
        if rows.is_multiple_of(ROWS_PER_CHECK) {
            self.check()
        } else {
            Ok(())
        }
    }

    /// Looks whether to stop.
    ///
    /// # Errors
    /// `57014` when cancelled or past the deadline.
    pub fn check(&self) -> Result<()> {
        let stopped = |why: &str| {
            Err(Error::Stopped {
                sqlstate: sqlstate::QUERY_CANCELED,
                message: why.to_owned(),
            })
        };
        if self.cancel.is_cancelled() {
            return stopped("canceling statement due to user request");
        }
        if self.deadline.as_ref().is_some_and(|passed| passed()) {
            return stopped("canceling statement due to statement timeout");
        }
        Ok(())
    }

    /// 64 random bits, for `random()` and `gen_random_uuid()`.
    #[must_use]
    pub fn random_bits(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        match &self.entropy {
            Some(entropy) => entropy(),
            // Keyed with the system's randomness, with another key each time.
            None => RandomState::new().hash_one(self.now_us),
        }
    }

    /// Takes `bytes` from the memory budget; given back by `release_memory`.
    ///
    /// # Errors
    /// `53200` when the budget would be exceeded.
    pub fn reserve_memory(&self, bytes: u64) -> Result<()> {
        let held = self
            .counters
            .memory_bytes
            .fetch_add(bytes, Ordering::Relaxed)
            + bytes;
        if held > self.memory_bytes_max {
            return Err(Error::Stopped {
                sqlstate: sqlstate::OUT_OF_MEMORY,
                message: format!(
                    "statement needs more than {} bytes of memory (memory_bytes_max)",
                    self.memory_bytes_max
                ),
            });
        }
        Ok(())
    }

    /// Gives bytes back to the memory budget.
    pub fn release_memory(&self, bytes: u64) {
        self.counters
            .memory_bytes
            .fetch_sub(bytes, Ordering::Relaxed);
    }
}
