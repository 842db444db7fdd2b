//! `Progress`: a bar on standard error for work that takes long, if somebody is there to see it.

use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};

/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_millis(700);

/// How far a script or an import has come, in bytes of its input.
pub(crate) struct Progress {
    bytes_total: Option<u64>,
    bytes: u64,
    started: Instant,
    is_seen: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing done of so many bytes; `None`: nobody knows how many.
    pub(crate) fn new(bytes_total: Option<u64>) -> Self {
        Self {
            bytes_total,
            bytes: 0,
            started: Instant::now(),
            is_seen: std::io::stderr().is_terminal(),
            bar: None,
        }
    }

    /// So many bytes more are done.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if !self.is_seen {
            return;
        }
        match &self.bar {
            Some(bar) => bar.set_position(self.bytes),
            None if self.started.elapsed() >= PATIENCE => {
                let bar = self.make().with_elapsed(self.started.elapsed());
                bar.set_position(self.bytes);
                self.bar = Some(bar);
            }
            None => {}
        }
    }

    fn make(&self) -> ProgressBar {
        let (bar, template) = match self.bytes_total {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:30} {bytes}/{total_bytes} {mean_rate}, {elapsed} {msg}",
            ),
            None => (
                ProgressBar::no_length(),
                "{spinner} {bytes} {mean_rate}, {elapsed} {msg}",
            ),
        };
        // Over all that was done: the bar's own rate takes what was done before it was there for the work of an instant.
        let mean_rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
            let seconds = state.elapsed().as_secs_f64().max(0.001);
            let rate = HumanBytes((state.pos() as f64 / seconds) as u64);
            // A bar that cannot be written shows itself.
            let _ = write!(text, "{rate}/s");
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style.with_key("mean_rate", mean_rate)),
            Err(_) => bar,
        }
    }

    /// Runs `print` with the bar out of the way.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
