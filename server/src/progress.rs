//! `Progress`, `Watch`: a bar on standard error for work that takes long, if somebody is there to see it.

use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};

/// How often a file that grows is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
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

/// Shows how many bytes there are in a file or folder that somebody else fills, until it is dropped.
pub(crate) struct Watch(Option<(Sender<()>, JoinHandle<()>)>);

impl Watch {
    /// Watches `path`, which need not be there yet; `what` is done with it.
    pub(crate) fn over(what: &'static str, path: impl Into<PathBuf>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let path = path.into();
        let (sender, receiver) = channel::<()>();
        let look = move || {
            if receiver.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::no_length().with_elapsed(PATIENCE);
            let bar = match ProgressStyle::with_template("{spinner} {msg}: {bytes}, {elapsed}") {
                Ok(style) => bar.with_style(style).with_message(what),
                Err(_) => bar,
            };
            loop {
                bar.set_position(bytes_in(&path));
                bar.tick();
                if receiver.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                    bar.finish_and_clear();
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("progress".to_owned());
        // Without a thread nothing is shown, and the work is done all the same.
        Self(thread.spawn(look).ok().map(|thread| (sender, thread)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.0.take() {
            drop(sender);
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

/// Bytes of a file, or of the files in a folder.
fn bytes_in(path: &Path) -> u64 {
    match std::fs::read_dir(path) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| entry.metadata().ok())
            .filter(|entry| entry.is_file())
            .map(|entry| entry.len())
            .sum(),
        Err(_) => std::fs::metadata(path).map_or(0, |file| file.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_bytes_of_its_files_and_nothing_has_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), [0; 10]).unwrap();
        std::fs::write(dir.path().join("b"), [0; 5]).unwrap();
        std::fs::create_dir(dir.path().join("c")).unwrap();
        assert_eq!(bytes_in(dir.path()), 15);
        assert_eq!(bytes_in(&dir.path().join("a")), 10);
        assert_eq!(bytes_in(&dir.path().join("d")), 0);
    }
}
