//! `Accumulator`: the running value of one aggregate call over one group.
//!
//! Counts and sums take values back; MIN and MAX hold the best value only, and are told the next one by the ordered
//! values of the state when it leaves (`operator::aggregate::state`).

use tailwater_proto::Value;

use super::codec::{Reader, Writer, damaged};
use super::number_sum::NumberSum;
use super::representation::represent_value;
use super::{AggregateCall, AggregateFunction};
use crate::error::Result;

/// The running value of one call.
#[derive(Clone, Debug)]
pub enum Accumulator {
    /// How many values.
    Count(i64),
    /// Their sum.
    Sum(NumberSum),
    /// Their mean.
    Mean(NumberSum),
    /// The least one.
    Least(Option<Value>),
    /// The greatest one.
    Greatest(Option<Value>),
}

impl Accumulator {
    /// Of no value.
    #[must_use]
    pub fn new(function: AggregateFunction) -> Self {
        match function {
            AggregateFunction::Count => Self::Count(0),
            AggregateFunction::Sum => Self::Sum(NumberSum::default()),
            AggregateFunction::Avg => Self::Mean(NumberSum::default()),
            AggregateFunction::Min => Self::Least(None),
            AggregateFunction::Max => Self::Greatest(None),
        }
    }

    /// Adds a value that is not NULL (`count(*)` adds any). MIN and MAX take it if it is better, or equal and of
    /// the lesser representation.
    ///
    /// # Errors
    /// When a value is nested too deep to be compared by its representation.
    pub fn add(&mut self, value: &Value) -> Result<()> {
        match self {
            Self::Count(count) => *count += 1,
            Self::Sum(sum) | Self::Mean(sum) => sum.add(value, 1),
            Self::Least(best) => replace_if_better(best, value, std::cmp::Ordering::Less)?,
            Self::Greatest(best) => replace_if_better(best, value, std::cmp::Ordering::Greater)?,
        }
        Ok(())
    }

    /// Adds a value `weight` times or takes it back; MIN and MAX are not changed by this.
    pub(crate) fn add_weighted(&mut self, value: &Value, weight: i64) {
        match self {
            Self::Count(count) => *count += weight,
            Self::Sum(sum) | Self::Mean(sum) => sum.add(value, weight),
            Self::Least(_) | Self::Greatest(_) => {}
        }
    }

    /// The call's value.
    ///
    /// # Errors
    /// `22003` when a sum or mean does not fit its type.
    pub fn finish(&self, call: &AggregateCall) -> Result<Value> {
        match self {
            Self::Count(count) => Ok(Value::Int(*count)),
            Self::Sum(sum) => sum.sum(&call.argument_type),
            Self::Mean(sum) => sum.mean(&call.argument_type),
            Self::Least(best) | Self::Greatest(best) => Ok(best.clone().unwrap_or_default()),
        }
    }

    /// Appends the state bytes.
    pub(crate) fn encode(&self, out: &mut Writer<'_>) -> Result<()> {
        match self {
            Self::Count(count) => out.int(*count),
            Self::Sum(sum) | Self::Mean(sum) => sum.encode(out),
            Self::Least(None) | Self::Greatest(None) => out.byte(0),
            Self::Least(Some(best)) | Self::Greatest(Some(best)) => {
                out.byte(1);
                out.value(best)?;
            }
        }
        Ok(())
    }

    /// Reads the state bytes.
    pub(crate) fn decode(function: AggregateFunction, input: &mut Reader<'_>) -> Result<Self> {
        let best = |input: &mut Reader<'_>| match input.byte()? {
            0 => Ok(None),
            1 => input.value().map(Some),
            _ => Err(damaged()),
        };
        Ok(match function {
            AggregateFunction::Count => Self::Count(input.int()?),
            AggregateFunction::Sum => Self::Sum(NumberSum::decode(input)?),
            AggregateFunction::Avg => Self::Mean(NumberSum::decode(input)?),
            AggregateFunction::Min => Self::Least(best(input)?),
            AggregateFunction::Max => Self::Greatest(best(input)?),
        })
    }
}

fn replace_if_better(
    best: &mut Option<Value>,
    value: &Value,
    better: std::cmp::Ordering,
) -> Result<()> {
    let replace = match best {
        None => true,
        Some(best) => match value.cmp_total(best) {
            std::cmp::Ordering::Equal => is_lesser(value, best)?,
            order => order == better,
        },
    };
    if replace {
        *best = Some(value.clone());
    }
    Ok(())
}

/// Whether the first of two equal values has the lesser representation.
fn is_lesser(value: &Value, than: &Value) -> Result<bool> {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    represent_value(&mut a, value)?;
    represent_value(&mut b, than)?;
    Ok(a < b)
}
