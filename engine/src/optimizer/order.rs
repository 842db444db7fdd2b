//! Whether reading a key yields the order a sort asks for.

use tailwater_proto::Direction;
use tailwater_views::Expr;
use tailwater_views::plan::{Field, SortKey};

use super::path::{KeyPath, Match};
use super::predicate::peeled;

/// The direction in which reading the key's ranges yields rows in the order of `keys`; `None` if neither does.
///
/// Keys ascend with NULL last; a descending part descends with NULL first; reading backwards turns both around.
pub(super) fn direction_for(
    key: &KeyPath,
    found: &Match,
    keys: &[SortKey],
    fields: &[Field],
) -> Option<Direction> {
    if found.is_unique(key) && found.ranges.len() <= 1 {
        return Some(Direction::Forward);
    }
    let is_constant = |place: usize| found.constant.get(place).copied().unwrap_or(false);
    let constant_places: Vec<&Expr> = key
        .parts
        .iter()
        .enumerate()
        .filter(|(place, _)| is_constant(*place))
        .filter_map(|(_, part)| part.place.as_ref())
        .collect();
    let mut parts = key
        .parts
        .iter()
        .enumerate()
        .filter(|(place, _)| !is_constant(*place))
        .map(|(_, part)| part);
    let mut direction = None;
    for sort in keys {
        let asked = peeled(&sort.expr, fields);
        if constant_places.contains(&asked) {
            continue;
        }
        let Some(part) = parts.next() else {
            // Rows that agree in every part are the same row: further keys decide nothing.
            return key
                .is_total
                .then(|| direction.unwrap_or(Direction::Forward));
        };
        let nulls_fit = part.not_null || sort.nulls_first == sort.descending;
        if part.place.as_ref() != Some(asked) || !nulls_fit {
            return None;
        }
        let needed = if sort.descending == part.descending {
            Direction::Forward
        } else {
            Direction::Reverse
        };
        if direction.is_some_and(|other| other != needed) {
            return None;
        }
        direction = Some(needed);
    }
    Some(direction.unwrap_or(Direction::Forward))
}
