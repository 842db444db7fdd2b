//! What became of the records of a suite: how many pass, and why the others do not.

use std::collections::BTreeMap;

/// A record that did not pass.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What many failures have in common.
    pub(crate) cause: String,
    /// File, line, SQL, what was expected and what came.
    pub(crate) story: String,
}

/// Records of a file or of a suite.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failures: Vec<Failure>,
    /// Left out: they ask for another product's own things.
    pub(crate) skipped: usize,
    /// Comparisons of a materialised view with its query.
    pub(crate) views_checked: usize,
    /// What must never happen: a panic, a view that is not its query, a record that takes too long.
    pub(crate) broken: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.skipped += other.skipped;
        self.views_checked += other.views_checked;
        self.broken.extend(other.broken);
    }

    pub(crate) fn fail(&mut self, cause: impl Into<String>, story: impl Into<String>) {
        self.failures.push(Failure {
            cause: cause.into(),
            story: story.into(),
        });
    }

    /// One line of the rate, then the most frequent causes; every failure if they are asked for.
    pub(crate) fn report(&self, suite: &str, causes_max: usize, every_failure: bool) -> String {
        let all = self.passed + self.failures.len();
        let share = 100.0 * self.passed as f64 / all.max(1) as f64;
        let mut text = format!(
            "{suite}: {} of {all} records pass ({share:.1}%)",
            self.passed
        );
        if self.skipped > 0 {
            text += &format!(", {} left out", self.skipped);
        }
        if self.views_checked > 0 {
            text += &format!(", views equal their queries {} times", self.views_checked);
        }
        let mut causes: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for failure in &self.failures {
            let entry = causes.entry(without_numbers(&failure.cause)).or_default();
            *entry = (entry.0 + 1, &failure.story);
        }
        let mut causes: Vec<_> = causes.into_iter().collect();
        causes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (cause, (count, example)) in causes.into_iter().take(causes_max) {
            let head = example.lines().next().unwrap_or_default();
            let cut: String = head.chars().take(150).collect();
            text += &format!("\n  {count:4} × {cause}\n         {cut}");
        }
        if every_failure {
            for failure in &self.failures {
                text += &format!("\n-- {}\n{}", failure.cause, failure.story);
            }
        }
        text
    }
}

/// What is the same for other numbers: SQLSTATEs stay, positions and sizes go.
fn without_numbers(cause: &str) -> String {
    let code = |word: &str| {
        word.len() == 5
            && word
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    let words: Vec<String> = cause
        .split(' ')
        .map(|word| match code(word) {
            true => word.to_owned(),
            false => word.replace(|c: char| c.is_ascii_digit(), "0"),
        })
        .collect();
    words.join(" ")
}
