//! A plan as a tree of lines: `Index Scan using orders_cust on orders  (cust = 'x')`.

use tailwater_proto::{ColumnId, Direction, EcoString};
use tailwater_views::aggregate::{AggregateCall, AggregateFunction};
use tailwater_views::plan::{
    Access, IndexAccess, Join, JoinKind, JoinStrategy, KeyBounds, Scan, SortKey,
};
use tailwater_views::{Expr, Plan};

use super::expr::{expr_text, list_text};
use crate::catalog::{Catalog, Relation};

/// Spaces a level of the tree is indented by.
const INDENT: usize = 2;

/// The plan as text: an operator a line, its inputs below it, indented. No line end after the last line.
#[must_use]
pub fn explain(plan: &Plan, catalog: &Catalog) -> String {
    let mut printer = Printer {
        catalog,
        is_qualified: count_scans(plan) > 1,
        lines: Vec::new(),
    };
    printer.print(plan, 0, &[]);
    printer.lines.join("\n")
}

fn count_scans(plan: &Plan) -> usize {
    match plan {
        Plan::Scan(_) => 1,
        other => other.inputs().into_iter().map(count_scans).sum(),
    }
}

struct Printer<'c> {
    catalog: &'c Catalog,
    /// Whether columns are shown with the table's name.
    is_qualified: bool,
    lines: Vec<String>,
}

/// A list of rows that read nothing.
pub(crate) fn values_text(rows: usize) -> String {
    match rows {
        0 => "Result  (no rows)".to_owned(),
        1 => "Result  (1 row)".to_owned(),
        count => format!("Values  ({count} rows)"),
    }
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.lines.push(format!("{:1$}{text}", "", depth * INDENT));
    }

    /// Prints the plan; `outer` names the left row's columns inside a lookup.
    fn print(&mut self, plan: &Plan, depth: usize, outer: &[String]) {
        match plan {
            Plan::Values { rows, .. } => {
                self.line(depth, &values_text(rows.len()));
            }
            Plan::Series(series) => {
                let part = |expr| expr_text(expr, &[]);
                let text = format!(
                    "Series  ({}, {}, {})",
                    part(&series.start),
                    part(&series.stop),
                    part(&series.step)
                );
                self.line(depth, &text);
            }
            Plan::Scan(scan) => {
                let text = self.scan_text(scan, outer);
                self.line(depth, &text);
            }
            Plan::Filter { input, predicate } => {
                let text = format!("Filter  ({})", expr_text(predicate, &self.names(input)));
                self.line(depth, &text);
                self.print(input, depth + 1, outer);
            }
            Plan::Project { input, exprs, .. } => {
                let text = format!("Project  ({})", list_text(exprs, &self.names(input)));
                self.line(depth, &text);
                self.print(input, depth + 1, outer);
            }
            Plan::Join(join) => self.print_join(join, depth, outer),
            Plan::Aggregate {
                input,
                group,
                calls,
                ..
            } => {
                let names = self.names(input);
                let calls: Vec<String> = calls.iter().map(|call| call_text(call, &names)).collect();
                let mut text = format!("Aggregate  ({})", calls.join(", "));
                if !group.is_empty() {
                    text.push_str(&format!("  group by ({})", list_text(group, &names)));
                }
                self.line(depth, &text);
                self.print(input, depth + 1, outer);
            }
            Plan::Distinct { input } => {
                self.line(depth, "Distinct");
                self.print(input, depth + 1, outer);
            }
            Plan::UnionAll { inputs, .. } => {
                self.line(depth, "Append");
                for input in inputs {
                    self.print(input, depth + 1, outer);
                }
            }
            Plan::Sort { input, keys } => {
                let text = format!("Sort  ({})", keys_text(keys, &self.names(input)));
                self.line(depth, &text);
                self.print(input, depth + 1, outer);
            }
            Plan::Limit {
                input,
                limit,
                offset,
            } => {
                let mut parts = Vec::new();
                if let Some(limit) = limit {
                    parts.push(expr_text(limit, &[]));
                }
                if let Some(offset) = offset {
                    parts.push(format!("offset {}", expr_text(offset, &[])));
                }
                self.line(depth, &format!("Limit  ({})", parts.join(", ")));
                self.print(input, depth + 1, outer);
            }
        }
    }

    fn print_join(&mut self, join: &Join, depth: usize, outer: &[String]) {
        let (left, right) = (self.names(&join.left), self.names(&join.right));
        let kind = match (join.kind, &join.strategy) {
            (JoinKind::Inner, JoinStrategy::Hash) if join.equal.is_empty() => {
                "Nested Loop".to_owned()
            }
            (JoinKind::Left, JoinStrategy::Hash) if join.equal.is_empty() => {
                "Nested Loop Left Join".to_owned()
            }
            (JoinKind::Inner, JoinStrategy::Hash) => "Hash Join".to_owned(),
            (JoinKind::Left, JoinStrategy::Hash) => "Hash Left Join".to_owned(),
            (kind, JoinStrategy::Lookup) => {
                let words = match kind {
                    JoinKind::Inner => "Nested Loop",
                    JoinKind::Left => "Nested Loop Left Join",
                };
                format!("{words} (lookup {})", lookup_name(&join.right))
            }
        };
        let mut conditions: Vec<String> = join
            .equal
            .iter()
            .map(|(of_left, of_right)| {
                format!(
                    "{} = {}",
                    expr_text(of_left, &left),
                    expr_text(of_right, &right)
                )
            })
            .collect();
        let both: Vec<String> = left.iter().chain(&right).cloned().collect();
        if let Some(residual) = &join.residual {
            conditions.push(expr_text(residual, &both));
        }
        if conditions.is_empty() {
            self.line(depth, &kind);
        } else {
            self.line(depth, &format!("{kind}  ({})", conditions.join(" AND ")));
        }
        self.print(&join.left, depth + 1, outer);
        let seen = match join.strategy {
            JoinStrategy::Lookup => left,
            JoinStrategy::Hash => Vec::new(),
        };
        self.print(&join.right, depth + 1, &seen);
    }

    fn scan_text(&self, scan: &Scan, outer: &[String]) -> String {
        match &scan.access {
            Access::All(Direction::Forward) => format!("Seq Scan on {}", scan.name),
            Access::All(Direction::Reverse) => format!("Seq Scan Backward on {}", scan.name),
            Access::Ranges {
                index,
                name,
                ranges,
                direction,
                ..
            } => {
                let backward = match direction {
                    Direction::Forward => "",
                    Direction::Reverse => " Backward",
                };
                let parts = self.key_texts(scan, *index);
                let ranges: Vec<String> = ranges
                    .iter()
                    .map(|range| bounds_text(range, &parts, outer))
                    .filter(|text| !text.is_empty())
                    .collect();
                let mut text = format!("Index Scan{backward} using {name} on {}", scan.name);
                if !ranges.is_empty() {
                    text.push_str(&format!("  ({})", ranges.join(" OR ")));
                }
                text
            }
        }
    }

    /// The texts of a key's parts.
    fn key_texts(&self, scan: &Scan, index: Option<IndexAccess>) -> Vec<String> {
        let Some(relation) = self.catalog.relation_of_storage(scan.storage) else {
            return Vec::new();
        };
        match index {
            None => relation
                .primary_key
                .iter()
                .map(|part| part.text.clone())
                .collect(),
            Some(access) => self
                .catalog
                .indexes_of(relation.id)
                .find(|index| index.storage == access.storage)
                .map(|index| index.parts.iter().map(|part| part.text.clone()).collect())
                .unwrap_or_default(),
        }
    }

    /// Names of the plan's columns, as conditions above it show them.
    fn names(&self, plan: &Plan) -> Vec<String> {
        match plan {
            Plan::Scan(scan) => self.scan_names(scan),
            Plan::Filter { input, .. }
            | Plan::Distinct { input }
            | Plan::Sort { input, .. }
            | Plan::Limit { input, .. } => self.names(input),
            Plan::Join(join) => {
                let mut names = self.names(&join.left);
                names.extend(self.names(&join.right));
                names
            }
            Plan::Project { input, exprs, .. } => {
                let names = self.names(input);
                exprs.iter().map(|expr| expr_text(expr, &names)).collect()
            }
            Plan::Aggregate {
                input,
                group,
                calls,
                ..
            } => {
                let names = self.names(input);
                let groups = group.iter().map(|expr| expr_text(expr, &names));
                let calls = calls.iter().map(|call| call_text(call, &names));
                groups.chain(calls).collect()
            }
            Plan::Series(series) => {
                vec![
                    series
                        .fields
                        .first()
                        .map_or_else(String::new, |f| f.name.to_string()),
                ]
            }
            Plan::Values { fields, .. } | Plan::UnionAll { fields, .. } => {
                fields.iter().map(|field| field.name.to_string()).collect()
            }
        }
    }

    fn scan_names(&self, scan: &Scan) -> Vec<String> {
        let relation = self.catalog.relation_of_storage(scan.storage);
        scan.columns
            .iter()
            .zip(&scan.fields)
            .map(|(id, field)| {
                let name = relation
                    .and_then(|relation| column_name(relation, *id))
                    .unwrap_or(&field.name);
                if self.is_qualified {
                    format!("{}.{name}", scan.name)
                } else {
                    name.to_string()
                }
            })
            .collect()
    }
}

fn column_name(relation: &Relation, id: ColumnId) -> Option<&EcoString> {
    relation
        .columns
        .iter()
        .find(|column| column.id == id)
        .map(|column| &column.name)
}

/// The key a lookup goes through.
fn lookup_name(plan: &Plan) -> String {
    match plan {
        Plan::Filter { input, .. } | Plan::Project { input, .. } => lookup_name(input),
        Plan::Scan(scan) => match &scan.access {
            Access::Ranges { name, .. } => name.to_string(),
            Access::All(_) => scan.name.to_string(),
        },
        _ => String::new(),
    }
}

fn bounds_text(bounds: &KeyBounds, parts: &[String], outer: &[String]) -> String {
    let part = |place: usize| parts.get(place).map_or("?", String::as_str);
    let mut conditions: Vec<String> = bounds
        .equal
        .iter()
        .enumerate()
        .map(|(place, bound)| format!("{} = {}", part(place), expr_text(bound, outer)))
        .collect();
    let next = part(bounds.equal.len());
    let ends = [(&bounds.lower, ">", ">="), (&bounds.upper, "<", "<=")];
    for (end, excluded, included) in ends {
        if let Some((bound, is_included)) = end {
            let symbol = if *is_included { included } else { excluded };
            conditions.push(format!("{next} {symbol} {}", expr_text(bound, outer)));
        }
    }
    conditions.join(" AND ")
}

/// Sort keys as ORDER BY writes them.
pub(super) fn keys_text(keys: &[SortKey], names: &[String]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| {
            let mut text = expr_text(&key.expr, names);
            if key.descending {
                text.push_str(" DESC");
            }
            if key.nulls_first != key.descending {
                text.push_str(if key.nulls_first {
                    " NULLS FIRST"
                } else {
                    " NULLS LAST"
                });
            }
            text
        })
        .collect();
    keys.join(", ")
}

/// An aggregate call as SQL.
pub(super) fn call_text(call: &AggregateCall, names: &[String]) -> String {
    let function = match call.function {
        AggregateFunction::Count => "count",
        AggregateFunction::Sum => "sum",
        AggregateFunction::Avg => "avg",
        AggregateFunction::Min => "min",
        AggregateFunction::Max => "max",
    };
    let argument = call.argument.as_ref().map_or_else(
        || "*".to_owned(),
        |argument: &Expr| expr_text(argument, names),
    );
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let mut text = format!("{function}({distinct}{argument})");
    if let Some(filter) = &call.filter {
        text.push_str(&format!(" FILTER (WHERE {})", expr_text(filter, names)));
    }
    text
}
