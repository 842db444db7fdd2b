//! Runs a measure: everyone in turn, round by round, so that all meet the same weather; the median of the rounds counts.
//! It never knows what the work is. Next door: `measure`.

use crate::measure::{Contenders, Measure, Place};
use crate::{Error, Result};

/// Ours beside one other.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was measured, with its unit.
    pub name: String,
    /// Our median.
    pub ours: f64,
    /// The other's name, version and sync setting.
    pub peer: String,
    /// Its median.
    pub theirs: f64,
    /// How much better ours is: above 1, ours wins.
    pub ratio: f64,
    /// Our least and greatest figure: how calm the machine was.
    pub spread: (f64, f64),
}

impl std::fmt::Display for Line {
    /// Tab-separated: name, ours, peer, its figure, ratio.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}\t{}\t{}\t{}\t{:.2}",
            self.name,
            digits(self.ours),
            self.peer,
            digits(self.theirs),
            self.ratio
        )
    }
}

/// Four digits that count, without an exponent.
fn digits(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

/// Runs a measure so many rounds, after one that does not count.
///
/// # Errors
/// When it is not measured, or somebody's work fails.
pub fn race(measure: &Measure, place: &Place, rounds: usize) -> Result<Vec<Line>> {
    let mut field = match measure.contenders {
        Contenders::Measured(set_up) => set_up(place)?,
        Contenders::Unmeasured(why) => return Err(why.into()),
    };
    let mut figures: Vec<Vec<f64>> = vec![Vec::with_capacity(rounds); field.len()];
    for contender in &mut field {
        (contender.run)(measure.operations.div_ceil(4))
            .map_err(|error| blame(&contender.name, &error))?;
    }
    for round in 0..rounds {
        // Another one goes first each time.
        let count = field.len();
        for turn in 0..count {
            let place = (round + turn) % count;
            let (Some(contender), Some(figures)) = (field.get_mut(place), figures.get_mut(place))
            else {
                continue;
            };
            let seconds = (contender.run)(measure.operations)
                .map_err(|error| blame(&contender.name, &error))?;
            figures.push(measure.figure(seconds, measure.operations));
        }
    }
    for figures in &mut figures {
        figures.sort_unstable_by(f64::total_cmp);
    }
    let mut results = field.iter().zip(&figures);
    let Some((_, own)) = results.next() else {
        return Err("nobody takes part".into());
    };
    let ours = median(own);
    let spread = (
        own.first().copied().unwrap_or_default(),
        own.last().copied().unwrap_or_default(),
    );
    Ok(results
        .map(|(contender, figures)| {
            let theirs = median(figures);
            Line {
                name: format!("{} ({})", measure.name, measure.unit.name()),
                ours,
                peer: contender.name.clone(),
                theirs,
                ratio: measure.unit.ratio(ours, theirs),
                spread,
            }
        })
        .collect())
}

fn blame(name: &str, error: &Error) -> Error {
    format!("{name}: {error}").into()
}

/// The middle of sorted figures; of two middles their mean.
fn median(sorted: &[f64]) -> f64 {
    let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        at(middle)
    } else {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Contender, Field, Suite, Unit};

    fn field(_: &Place) -> Result<Field> {
        let mut round = 0.0;
        Ok(vec![
            Contender::new("ours", move |operations| {
                round += 1.0;
                Ok(operations as f64 * round * 1e-6)
            }),
            Contender::new("twin", |operations| Ok(operations as f64 * 8e-6)),
        ])
    }

    const MEASURE: Measure = Measure {
        name: "work",
        suite: Suite::Commit,
        unit: Unit::Micros,
        aim: "",
        operations: 100,
        rows: 2,
        contenders: Contenders::Measured(field),
    };

    #[test]
    fn the_median_counts_and_above_one_is_better() {
        let lines = race(&MEASURE, &Place::new("."), 5).unwrap_or_default();
        let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
        // The round that does not count was 1 us; 2 to 6 us follow, halved because there are two rows in each.
        assert_eq!(shown, ["work (us)\t2.00\ttwin\t4.00\t2.00"]);
        let rate = Measure {
            unit: Unit::PerSecond,
            ..MEASURE
        };
        let lines = race(&rate, &Place::new("."), 5).unwrap_or_default();
        let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["work (per second)\t500000\ttwin\t250000\t2.00"]);
    }

    #[test]
    fn what_is_not_measured_is_an_error() {
        let measure = Measure {
            contenders: Contenders::Unmeasured("no engine for it"),
            ..MEASURE
        };
        let error = race(&measure, &Place::new("."), 5).map_err(|error| error.to_string());
        assert_eq!(error.err().as_deref(), Some("no engine for it"));
    }

    #[test]
    fn of_two_middles_the_mean_counts() {
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }
}
