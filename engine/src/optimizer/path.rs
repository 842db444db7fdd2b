//! The keys of a scanned relation (its primary key and its indexes), and what of a filter each can answer.

use std::cmp::Ordering;

use tailwater_proto::{Direction, EcoString, Value};
use tailwater_views::Expr;
use tailwater_views::expr::Literal;
use tailwater_views::plan::{Access, IndexAccess, KeyBounds, Scan};

use super::predicate::substitute;
use super::sarg::{Sarg, Test};
use crate::catalog::{Catalog, Relation};

/// Ranges a scan is split into at most.
const RANGES_MAX: usize = 1_000;

/// One part of a key.
pub(super) struct Part {
    /// What is keyed, over the scan's columns; `None` if the scan does not read it.
    pub(super) place: Option<Expr>,
    /// DESC.
    pub(super) descending: bool,
    /// Whether it is never NULL.
    pub(super) not_null: bool,
}

/// The primary key, or an index.
pub(super) struct KeyPath {
    /// As EXPLAIN shows it.
    pub(super) name: EcoString,
    /// `None`: the primary key.
    pub(super) index: Option<IndexAccess>,
    /// Its parts; for an index the primary key's follow.
    pub(super) parts: Vec<Part>,
    /// How many parts are its own.
    pub(super) own_parts: usize,
    /// Whether rows differ in its own parts (NULLs aside).
    pub(super) unique: bool,
    /// Whether `parts` tell every two rows apart, so that they are a whole order.
    pub(super) is_total: bool,
}

/// The keys of the scanned relation: the primary key first, then indexes in order of creation.
pub(super) fn keys_of(scan: &Scan, catalog: &Catalog) -> Vec<KeyPath> {
    let Some(relation) = catalog.relation_of_storage(scan.storage) else {
        return Vec::new();
    };
    let primary = || {
        relation.primary_key.iter().map(|part| Part {
            place: over_scan(&part.expr, relation, scan),
            descending: part.descending,
            not_null: true,
        })
    };
    let mut keys = Vec::new();
    let has_primary = !relation.primary_key.is_empty();
    if has_primary {
        keys.push(KeyPath {
            name: primary_name(relation),
            index: None,
            parts: primary().collect(),
            own_parts: relation.primary_key.len(),
            unique: true,
            is_total: true,
        });
    }
    for index in catalog.indexes_of(relation.id) {
        let own = index.parts.iter().map(|part| Part {
            place: over_scan(&part.expr, relation, scan),
            descending: part.descending,
            not_null: is_never_null(&part.expr, relation),
        });
        keys.push(KeyPath {
            name: EcoString::from(index.name.name.as_str()),
            index: Some(IndexAccess {
                storage: index.storage,
                parts: index.parts.len(),
            }),
            parts: own.chain(primary()).collect(),
            own_parts: index.parts.len(),
            unique: index.unique,
            is_total: has_primary,
        });
    }
    keys
}

/// The name EXPLAIN gives a table's primary key.
pub(crate) fn primary_name(relation: &Relation) -> EcoString {
    EcoString::from(format!("{}_pkey", relation.name.name))
}

/// An expression over the row layout, over the scan's columns instead.
fn over_scan(expr: &Expr, relation: &Relation, scan: &Scan) -> Option<Expr> {
    let mut places = Vec::with_capacity(relation.columns.len());
    let mut is_read = true;
    let used = expr.columns();
    for (position, column) in relation.columns.iter().enumerate() {
        let place = scan.columns.iter().position(|id| *id == column.id);
        is_read = is_read && (place.is_some() || !used.contains(&position));
        places.push(Expr::Column(place.unwrap_or(position)));
    }
    is_read.then(|| substitute(expr, &places))
}

fn is_never_null(expr: &Expr, relation: &Relation) -> bool {
    match expr {
        Expr::Column(position) => {
            relation
                .columns
                .get(*position)
                .is_some_and(|column| column.not_null)
                || relation.primary_key.iter().any(|part| part.expr == *expr)
        }
        _ => false,
    }
}

/// What a key answers of a set of conditions.
pub(super) struct Match {
    /// Ranges in key order.
    pub(super) ranges: Vec<KeyBounds>,
    /// Conjuncts that need not be checked again.
    pub(super) replaced: Vec<usize>,
    /// For each leading part with an equality, whether it has one value over all ranges.
    pub(super) constant: Vec<bool>,
    /// How many ends the range after them has.
    pub(super) ends: usize,
    /// Whether a bound refers to the left row of a lookup.
    pub(super) of_left: bool,
}

impl Match {
    /// Whether each range finds at most one row.
    pub(super) fn is_unique(&self, key: &KeyPath) -> bool {
        key.unique && self.constant.len() >= key.own_parts
    }

    /// Whether it narrows anything down.
    pub(super) fn narrows(&self) -> bool {
        !self.constant.is_empty() || self.ends > 0
    }
}

/// What `key` answers of the conditions: equalities on leading parts, then one range.
pub(super) fn match_key(key: &KeyPath, sargs: &[Sarg]) -> Match {
    let mut prefixes: Vec<Vec<Expr>> = vec![Vec::new()];
    let mut result = Match {
        ranges: Vec::new(),
        replaced: Vec::new(),
        constant: Vec::new(),
        ends: 0,
        of_left: false,
    };
    let own = key.parts.get(..key.own_parts).unwrap_or_default();
    for part in own {
        let Some(place) = &part.place else { break };
        let on_part = || sargs.iter().filter(|sarg| sarg.place == *place);
        let equal = on_part().find_map(|sarg| match &sarg.test {
            Test::Equal(bound) => Some((sarg, bound)),
            Test::In(_) | Test::Lower(..) | Test::Upper(..) => None,
        });
        if let Some((sarg, bound)) = equal {
            prefixes
                .iter_mut()
                .for_each(|prefix| prefix.push(bound.clone()));
            result.constant.push(true);
            result.replaced.extend(sarg.replaces);
            result.of_left |= sarg.of_left;
            continue;
        }
        let list = on_part().find_map(|sarg| match &sarg.test {
            Test::In(list) if list.len() * prefixes.len() <= RANGES_MAX => {
                Some((sarg, ordered(list, part.descending)))
            }
            Test::In(_) | Test::Equal(_) | Test::Lower(..) | Test::Upper(..) => None,
        });
        if let Some((sarg, list)) = list {
            prefixes = prefixes
                .iter()
                .flat_map(|prefix| list.iter().map(move |bound| with(prefix, bound)))
                .collect();
            result.constant.push(list.len() == 1);
            result.replaced.extend(sarg.replaces);
            continue;
        }
        break;
    }
    let (mut lower, mut upper) = (None, None);
    let next = own.get(result.constant.len());
    if let Some(place) = next.and_then(|part| part.place.as_ref()) {
        for sarg in sargs.iter().filter(|sarg| sarg.place == *place) {
            let end = match &sarg.test {
                Test::Lower(bound, included) if lower.is_none() => {
                    lower = Some((bound.clone(), *included));
                    true
                }
                Test::Upper(bound, included) if upper.is_none() => {
                    upper = Some((bound.clone(), *included));
                    true
                }
                Test::Lower(..) | Test::Upper(..) | Test::Equal(_) | Test::In(_) => false,
            };
            if end {
                result.ends += 1;
                result.replaced.extend(sarg.replaces);
                result.of_left |= sarg.of_left;
            }
        }
    }
    result.ranges = prefixes
        .into_iter()
        .map(|equal| KeyBounds {
            equal,
            lower: lower.clone(),
            upper: upper.clone(),
        })
        .collect();
    result
}

fn with(prefix: &[Expr], bound: &Expr) -> Vec<Expr> {
    let mut longer = prefix.to_vec();
    longer.push(bound.clone());
    longer
}

/// The candidates in key order, each once, as far as they are known; NULL, which equals nothing, is left out.
fn ordered(list: &[Expr], descending: bool) -> Vec<Expr> {
    let mut list: Vec<Expr> = list
        .iter()
        .filter(|bound| !matches!(bound, Expr::Literal(Literal(Value::Null))))
        .cloned()
        .collect();
    let compare = |a: &Expr, b: &Expr| match (a, b) {
        (Expr::Literal(Literal(a)), Expr::Literal(Literal(b))) => a.cmp_total(b),
        (Expr::Literal(_), _) => Ordering::Less,
        (_, Expr::Literal(_)) => Ordering::Greater,
        _ => Ordering::Equal,
    };
    list.sort_by(compare);
    list.dedup_by(|a, b| a == b || (matches!(a, Expr::Literal(_)) && compare(a, b).is_eq()));
    if descending {
        list.reverse();
    }
    list
}

/// The access that reads a key's ranges.
pub(super) fn access(key: &KeyPath, ranges: Vec<KeyBounds>, direction: Direction) -> Access {
    if key.index.is_none() && ranges == [KeyBounds::default()] {
        return Access::All(direction);
    }
    Access::Ranges {
        index: key.index,
        name: key.name.clone(),
        descending: key
            .parts
            .iter()
            .take(key.own_parts)
            .map(|part| part.descending)
            .collect(),
        ranges,
        direction,
    }
}
