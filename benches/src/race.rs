//! Runs a measure: everyone in turn, round by round, so that all meet the same weather; the median of the rounds counts.
//! It never knows what the work is. Next door: `measure`.

use crate::measure::{Figure, Measure, Place, Unit};
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
/// When it is not measured, somebody's work fails, or they do not find the same lines.
pub fn race(measure: &Measure, place: &Place, rounds: usize) -> Result<Vec<Line>> {
    let mut field = measure.samplers(place)?;
    for sampler in &mut field {
        (sampler.run)(measure.operations.div_ceil(4))
            .map_err(|error| blame(&sampler.name, &error))?;
    }
    let mut found: Vec<Vec<Vec<Figure>>> = vec![Vec::with_capacity(rounds); field.len()];
    for round in 0..rounds {
        // Another one goes first each time.
        let count = field.len();
        for turn in 0..count {
            let place = (round + turn) % count;
            let (Some(sampler), Some(found)) = (field.get_mut(place), found.get_mut(place)) else {
                continue;
            };
            let figures =
                (sampler.run)(measure.operations).map_err(|error| blame(&sampler.name, &error))?;
            found.push(figures);
        }
    }
    let mut results = field.iter().zip(&found);
    let Some((_, own)) = results.next() else {
        return Err("nobody takes part".into());
    };
    let own = transpose(own)?;
    let mut others = Vec::new();
    for (sampler, found) in results {
        let found = transpose(found).map_err(|error| blame(&sampler.name, &error))?;
        if found.len() != own.len() {
            return Err(format!("{} finds other lines than ours", sampler.name).into());
        }
        others.push((&sampler.name, found));
    }
    let mut lines = Vec::new();
    for (at, own) in own.iter().enumerate() {
        for (name, theirs) in &others {
            let Some(theirs) = theirs.get(at).filter(|theirs| theirs.of == own.of) else {
                return Err(format!("{name} finds other lines than ours").into());
            };
            lines.push(Line {
                name: format!("{}{} ({})", measure.name, own.of, own.unit.name()),
                ours: own.median(),
                peer: (*name).clone(),
                theirs: theirs.median(),
                ratio: own.unit.ratio(own.median(), theirs.median()),
                spread: own.spread(),
            });
        }
    }
    Ok(lines)
}

/// One line's figures of all rounds, sorted.
struct Rounds {
    of: String,
    unit: Unit,
    values: Vec<f64>,
}

impl Rounds {
    fn median(&self) -> f64 {
        median(&self.values)
    }

    fn spread(&self) -> (f64, f64) {
        let end = |value: Option<&f64>| value.copied().unwrap_or_default();
        (end(self.values.first()), end(self.values.last()))
    }
}

/// From a list of lines for each round to a list of rounds for each line.
fn transpose(found: &[Vec<Figure>]) -> Result<Vec<Rounds>> {
    let mut lines: Vec<Rounds> = Vec::new();
    for (round, figures) in found.iter().enumerate() {
        for (at, figure) in figures.iter().enumerate() {
            if round == 0 {
                lines.push(Rounds {
                    of: figure.of.clone(),
                    unit: figure.unit,
                    values: Vec::with_capacity(found.len()),
                });
            }
            match lines.get_mut(at).filter(|line| line.of == figure.of) {
                Some(line) => line.values.push(figure.value),
                None => return Err(format!("a line \"{}\" in one round only", figure.of).into()),
            }
        }
    }
    for line in &mut lines {
        line.values.sort_unstable_by(f64::total_cmp);
    }
    Ok(lines)
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
    use crate::measure::{Contender, Contenders, Field, Sampler, Suite};

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

    fn sampled(_: &Place) -> Result<Vec<Sampler>> {
        let sampler = |name: &str, factor: f64| {
            Sampler::new(name, move |operations| {
                let value = operations as f64 * factor;
                Ok(vec![
                    Figure::new(", p50", Unit::Micros, value),
                    Figure::new(", done", Unit::Count, value * 3.0),
                ])
            })
        };
        Ok(vec![sampler("ours", 0.1), sampler("twin", 0.2)])
    }

    #[test]
    fn one_measure_may_have_several_lines() {
        let measure = Measure {
            contenders: Contenders::Sampled(sampled),
            ..MEASURE
        };
        let lines = race(&measure, &Place::new("."), 5).unwrap_or_default();
        let shown: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let expected = [
            "work, p50 (us)\t10.0\ttwin\t20.0\t2.00",
            "work, done (number)\t30.0\ttwin\t60.0\t0.50",
        ];
        assert_eq!(shown, expected);
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
