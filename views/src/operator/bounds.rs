//! From bounds written as expressions to a range of encoded keys.
//!
//! A range holds exactly the keys SQL's comparison accepts: NULL matches nothing, and a bound on one side only keeps
//! to the values that compare with it (`a > 5` finds no text). Evaluated when a scan opens, or once a left row.

use std::ops::Bound;

use tailwater_proto::key_codec::{KeyOrder, encode_key_in};
use tailwater_proto::{Key, KeyRange, Value};

use crate::context::ExecContext;
use crate::error::Result;
use crate::plan::KeyBounds;

/// Classes of comparable values differ in the upper five bits of a part's first byte, descending parts included.
const CLASS_MASK: u8 = !7;

/// The order of part `place` of a key.
pub(crate) fn order_of(descending: &[bool], place: usize) -> KeyOrder {
    if descending.get(place).copied().unwrap_or(false) {
        KeyOrder::Descending
    } else {
        KeyOrder::Ascending
    }
}

/// The keys within `bounds`, or `None` if there can be none. `row` is the left row of a lookup, else empty.
pub(crate) fn key_range(
    bounds: &KeyBounds,
    descending: &[bool],
    row: &[Value],
    cx: &ExecContext,
) -> Result<Option<KeyRange>> {
    let mut prefix = Key::new();
    for (place, expr) in bounds.equal.iter().enumerate() {
        let value = expr.eval(row, cx)?;
        if value.is_null() {
            return Ok(None);
        }
        encode_key_in(&mut prefix, &value, order_of(descending, place));
    }
    if bounds.lower.is_none() && bounds.upper.is_none() {
        return Ok(Some(if prefix.is_empty() {
            KeyRange::all()
        } else {
            KeyRange::prefix(prefix)
        }));
    }
    let order = order_of(descending, bounds.equal.len());
    let mut range: Option<KeyRange> = None;
    for (bound, is_lower) in [(&bounds.lower, true), (&bounds.upper, false)] {
        let Some((expr, included)) = bound else {
            continue;
        };
        let value = expr.eval(row, cx)?;
        if value.is_null() {
            return Ok(None);
        }
        let mut key = prefix.clone();
        encode_key_in(&mut key, &value, order);
        let side = half_range(
            &prefix,
            key,
            *included,
            is_lower != (order == KeyOrder::Descending),
        );
        range = Some(match range {
            None => side,
            Some(other) => KeyRange {
                lo: tighter(other.lo, side.lo, Ordering::Greater),
                hi: tighter(other.hi, side.hi, Ordering::Less),
            },
        });
    }
    Ok(range.filter(|range| !range.is_empty()))
}

use std::cmp::Ordering;

/// The keys on one side of `key` whose part after `prefix` compares with that of `key`.
fn half_range(prefix: &Key, key: Key, included: bool, from_here_up: bool) -> KeyRange {
    let class = key.get(prefix.len()).copied().unwrap_or(0) & CLASS_MASK;
    let mut class_start = prefix.clone();
    class_start.push(class);
    let class_end = match class.checked_add(8) {
        Some(next) => {
            let mut end = prefix.clone();
            end.push(next);
            Bound::Excluded(end)
        }
        None => prefix
            .prefix_end()
            .map_or(Bound::Unbounded, Bound::Excluded),
    };
    // What starts with `key` is equal to it in this part.
    let after_key = |key: Key| key.prefix_end().map_or(Bound::Unbounded, Bound::Excluded);
    if from_here_up {
        let lo = if included {
            Bound::Included(key)
        } else {
            match after_key(key) {
                Bound::Excluded(next) => Bound::Included(next),
                other => other,
            }
        };
        KeyRange { lo, hi: class_end }
    } else {
        let hi = if included {
            after_key(key)
        } else {
            Bound::Excluded(key)
        };
        KeyRange {
            lo: Bound::Included(class_start),
            hi,
        }
    }
}

/// The one of two lower (keep `Greater`) or upper (keep `Less`) ends that lets fewer keys in.
fn tighter(a: Bound<Key>, b: Bound<Key>, keep: Ordering) -> Bound<Key> {
    let order = match (bound_key(&a), bound_key(&b)) {
        (None, _) => return b,
        (_, None) => return a,
        (Some(a_key), Some(b_key)) => a_key.cmp(b_key),
    };
    if order == keep || (order.is_eq() && matches!(a, Bound::Excluded(_))) {
        a
    } else {
        b
    }
}

fn bound_key(bound: &Bound<Key>) -> Option<&Key> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

/// Sorts ranges by their lower end and joins those that overlap, so that no key is read twice.
pub(crate) fn normalise(ranges: &mut Vec<KeyRange>) {
    if ranges.len() < 2 {
        return;
    }
    ranges.sort_by(|a, b| lower_order(&a.lo, &b.lo));
    let mut joined: Vec<KeyRange> = Vec::with_capacity(ranges.len());
    for range in ranges.drain(..) {
        match joined.last_mut() {
            Some(last) if overlaps(&last.hi, &range.lo) => {
                if upper_order(&last.hi, &range.hi).is_lt() {
                    last.hi = range.hi;
                }
            }
            _ => joined.push(range),
        }
    }
    *ranges = joined;
}

fn lower_order(a: &Bound<Key>, b: &Bound<Key>) -> Ordering {
    match (a, b) {
        (Bound::Unbounded, Bound::Unbounded) => Ordering::Equal,
        (Bound::Unbounded, _) => Ordering::Less,
        (_, Bound::Unbounded) => Ordering::Greater,
        (Bound::Included(a), Bound::Excluded(b)) => a.cmp(b).then(Ordering::Less),
        (Bound::Excluded(a), Bound::Included(b)) => a.cmp(b).then(Ordering::Greater),
        (Bound::Included(a), Bound::Included(b)) | (Bound::Excluded(a), Bound::Excluded(b)) => {
            a.cmp(b)
        }
    }
}

fn upper_order(a: &Bound<Key>, b: &Bound<Key>) -> Ordering {
    match (a, b) {
        (Bound::Unbounded, Bound::Unbounded) => Ordering::Equal,
        (Bound::Unbounded, _) => Ordering::Greater,
        (_, Bound::Unbounded) => Ordering::Less,
        (Bound::Included(a), Bound::Excluded(b)) => a.cmp(b).then(Ordering::Greater),
        (Bound::Excluded(a), Bound::Included(b)) => a.cmp(b).then(Ordering::Less),
        (Bound::Included(a), Bound::Included(b)) | (Bound::Excluded(a), Bound::Excluded(b)) => {
            a.cmp(b)
        }
    }
}

/// Whether a range ending in `hi` and one beginning in `lo` share a key or touch.
fn overlaps(hi: &Bound<Key>, lo: &Bound<Key>) -> bool {
    match (bound_key(hi), bound_key(lo)) {
        (Some(hi), Some(lo)) => hi >= lo,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;
    use tailwater_proto::key_codec::key_of;

    fn bounds(lower: Option<(Value, bool)>, upper: Option<(Value, bool)>) -> KeyBounds {
        let literal = |(value, included): (Value, bool)| (Expr::literal(value), included);
        KeyBounds {
            equal: vec![Expr::literal(7)],
            lower: lower.map(literal),
            upper: upper.map(literal),
        }
    }

    #[test]
    fn a_range_holds_what_sql_comparison_accepts() {
        let cx = ExecContext::default();
        let values = || {
            [
                Value::Null,
                Value::Bool(true),
                Value::Int(i64::MIN),
                Value::Int(4),
                Value::Int(5),
                Value::Double(5.5),
                Value::Double(f64::NAN),
                Value::text("5"),
                Value::text(""),
                Value::Date(5),
            ]
        };
        let bound_values = [
            None,
            Some(Value::Int(5)),
            Some(Value::Double(f64::NAN)),
            Some(Value::text("")),
            Some(Value::Bool(false)),
            Some(Value::Null),
        ];
        for descending in [false, true] {
            for lower in &bound_values {
                for upper in &bound_values {
                    for included in [false, true] {
                        if lower.is_none() && upper.is_none() {
                            continue;
                        }
                        let with = |v: &Option<Value>| v.clone().map(|v| (v, included));
                        let range = key_range(
                            &bounds(with(lower), with(upper)),
                            &[false, descending],
                            &[],
                            &cx,
                        )
                        .unwrap();
                        for value in values() {
                            let accepts = |bound: &Option<Value>, order: Ordering| {
                                bound.as_ref().is_none_or(|b| {
                                    value
                                        .cmp_sql(b)
                                        .is_some_and(|o| o == order || (included && o.is_eq()))
                                })
                            };
                            let expected =
                                accepts(lower, Ordering::Greater) && accepts(upper, Ordering::Less);
                            let mut key = key_of([&Value::Int(7)]);
                            encode_key_in(&mut key, &value, order_of(&[false, descending], 1));
                            encode_key_in(&mut key, &Value::Int(1), KeyOrder::Ascending);
                            let found = range.as_ref().is_some_and(|r| r.contains(&key));
                            assert_eq!(
                                found, expected,
                                "{value:?} in {lower:?}..{upper:?} included {included} desc {descending}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn overlapping_ranges_are_joined() {
        let point = |n: i64| KeyRange::prefix(key_of([&Value::Int(n)]));
        let mut ranges = vec![point(3), point(1), point(3)];
        normalise(&mut ranges);
        assert_eq!(ranges, vec![point(1), point(3)]);
    }
}
