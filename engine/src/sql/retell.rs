//! The text of a query where something it reads has another name, or a column more: the same words, but for those that were
//! bound to it.
//!
//! Goes by the places that the binder noted. There is more than one way to say it, from what reads best to what always
//! means the same; none is sure: whoever keeps the text binds it again and compares. The next door is `binder::trace`.

use std::collections::BTreeMap;

use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};
use tailwater_proto::EcoString;

use super::binder::{Mark, Named, Output, Trace};
use super::keywords::quoted;
use super::lexer::{Cursor, byte_offset, split};
use crate::catalog::{ObjectId, ObjectName};

/// What has another name.
#[derive(Clone, Debug)]
pub(crate) struct Renamed {
    /// The relation, or that of the column.
    pub(crate) relation: ObjectId,
    /// Its name before.
    pub(crate) name: ObjectName,
    pub(crate) to: NewName,
}

#[derive(Clone, Debug)]
pub(crate) enum NewName {
    Relation(ObjectName),
    Column {
        /// The names before, as `*` shows them, up to that of the column.
        columns: Vec<EcoString>,
        from: EcoString,
        to: EcoString,
    },
    /// There is a column more, which no text that was written before means.
    Added(EcoString),
}

/// How the new name is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wording {
    /// In the place of the old one.
    Names,
    /// Likewise, with tables before columns, so that no other column is meant.
    Tables,
    /// Where FROM names the relation; an alias there gives it the names it had.
    Aliases,
}

impl Wording {
    /// From what reads best to what is surest.
    pub(crate) const ALL: [Self; 3] = [Self::Names, Self::Tables, Self::Aliases];
}

/// The text with the new name; `None` if there is no way to say it so.
pub(crate) fn retell(
    text: &str,
    trace: &Trace,
    renamed: &Renamed,
    wording: Wording,
) -> Option<String> {
    let mut cursor = Cursor::new(text);
    let tokens: Vec<Placed> = split(text)
        .ok()?
        .into_iter()
        .flat_map(|slice| slice.tokens)
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .map(|token| Placed {
            start: cursor.advance(token.span.start),
            end: cursor.advance(token.span.end),
            token,
        })
        .collect();
    let mut edits = Edits {
        text,
        tokens,
        renamed,
        wording,
        edits: BTreeMap::new(),
    };
    for mark in &trace.marks {
        edits.words(mark)?;
    }
    // A list looks at what was written anew in it.
    for mark in &trace.marks {
        if let Mark::List { select, items } = mark {
            edits.list(*select, items)?;
        }
    }
    edits.apply()
}

/// A token and its bytes.
struct Placed {
    token: TokenWithSpan,
    start: usize,
    end: usize,
}

struct Edits<'e> {
    text: &'e str,
    tokens: Vec<Placed>,
    renamed: &'e Renamed,
    wording: Wording,
    /// What stands in place of a stretch of the text; an empty stretch gains words.
    edits: BTreeMap<(usize, usize), String>,
}

impl Edits<'_> {
    /// A stretch of the text; `None` if the parser did not say where it stands.
    fn range(&self, span: Span) -> Option<(usize, usize)> {
        (span.start.line > 0).then(|| (self.start(span.start), self.end(span.end)))
    }

    /// Where a token begins that is at a location.
    fn start(&self, location: Location) -> usize {
        let begins = |placed: &Placed| placed.token.span.start;
        let found = self.tokens.binary_search_by_key(&location, begins);
        let placed = found.ok().and_then(|at| self.tokens.get(at));
        placed.map_or_else(|| byte_offset(self.text, location), |placed| placed.start)
    }

    /// Where a token ends that goes up to a location.
    fn end(&self, location: Location) -> usize {
        let ends = |placed: &Placed| placed.token.span.end;
        let found = self.tokens.binary_search_by_key(&location, ends);
        let placed = found.ok().and_then(|at| self.tokens.get(at));
        placed.map_or_else(|| byte_offset(self.text, location), |placed| placed.end)
    }

    fn replace(&mut self, span: Span, with: String) -> Option<()> {
        let range = self.range(span)?;
        self.edits.insert(range, with);
        Some(())
    }

    fn append(&mut self, span: Span, with: String) -> Option<()> {
        let (_, end) = self.range(span)?;
        self.edits.insert((end, end), with);
        Some(())
    }

    fn is_renamed(&self, column: &Named) -> bool {
        matches!(&self.renamed.to, NewName::Column { from, .. } if column.column == *from)
            && column.relation == Some(self.renamed.relation)
            && column.column_is_own
            && !column.is_rest
            && self.wording != Wording::Aliases
    }

    /// Whether the column's table is written with a name that it has no more.
    fn has_renamed_table(&self, column: &Named) -> bool {
        matches!(self.renamed.to, NewName::Relation(_))
            && column.relation == Some(self.renamed.relation)
            && column.table_is_own
            && self.wording != Wording::Aliases
    }

    fn words(&mut self, mark: &Mark) -> Option<()> {
        let renamed = self.renamed;
        match (mark, &renamed.to) {
            (Mark::Relation { relation, .. }, _) if *relation != renamed.relation => Some(()),
            (
                Mark::Relation {
                    whole, name, alias, ..
                },
                NewName::Relation(to),
            ) => match self.wording {
                Wording::Names | Wording::Tables => self.replace(*name, quoted(&to.name)),
                Wording::Aliases => {
                    // With its schema: a WITH may have the bare name.
                    let to = format!("{}.{}", quoted(&to.schema), quoted(&to.name));
                    let alias = match alias {
                        Some(_) => String::new(),
                        None => format!(" AS {}", quoted(&renamed.name.name)),
                    };
                    self.replace(*whole, to + &alias)
                }
            },
            (
                Mark::Relation {
                    name,
                    alias,
                    columns: written,
                    ..
                },
                NewName::Column { columns, .. },
            ) if self.wording == Wording::Aliases => {
                let from = written.map_or(0, |(_, count)| count);
                let names: Vec<String> = columns.iter().skip(from).map(|c| quoted(c)).collect();
                let names = names.join(", ");
                match (written, alias) {
                    (Some(_), _) if names.is_empty() => Some(()),
                    (Some((last, _)), _) => self.append(*last, format!(", {names}")),
                    (None, Some(alias)) => self.append(*alias, format!(" ({names})")),
                    (None, None) => {
                        let alias = quoted(&renamed.name.name);
                        self.append(*name, format!(" AS {alias} ({names})"))
                    }
                }
            }
            (
                Mark::Column {
                    qualifier,
                    name,
                    column,
                },
                new,
            ) => self.column(*qualifier, *name, column, new),
            // A name that no column had, so that an output column was meant.
            (Mark::Group { name, place }, NewName::Column { to, .. } | NewName::Added(to))
                if self.wording != Wording::Aliases && self.written(*name)? == to.as_str() =>
            {
                self.replace(*name, (place + 1).to_string())
            }
            _ => Some(()),
        }
    }

    fn column(
        &mut self,
        qualifier: Option<Span>,
        name: Span,
        column: &Named,
        new: &NewName,
    ) -> Option<()> {
        match new {
            NewName::Relation(to) => match qualifier {
                Some(qualifier) if self.has_renamed_table(column) => {
                    self.replace(qualifier, quoted(&to.name))
                }
                _ => Some(()),
            },
            NewName::Column { to, .. } | NewName::Added(to) => {
                let is_renamed = self.is_renamed(column);
                let says_table = self.wording == Wording::Tables
                    && qualifier.is_none()
                    && !column.table.is_empty()
                    && !column.is_rest
                    && (is_renamed || column.column == *to);
                let word = match is_renamed {
                    true => quoted(to),
                    false => quoted(&column.column),
                };
                match (says_table, is_renamed) {
                    (true, _) => self.replace(name, format!("{}.{word}", quoted(&column.table))),
                    (false, true) => self.replace(name, word),
                    (false, false) => Some(()),
                }
            }
        }
    }

    /// A name as it is compared.
    fn written(&self, span: Span) -> Option<String> {
        let (start, end) = self.range(span)?;
        let text = self.text.get(start..end)?;
        Some(match text.strip_prefix('"') {
            Some(inner) => inner.trim_end_matches('"').replace("\"\"", "\""),
            None => text.to_lowercase(),
        })
    }

    /// What the items of a SELECT list are called does not change.
    fn list(&mut self, select: Span, items: &[Output]) -> Option<()> {
        let (start, _) = self.range(select)?;
        let ranges = self.items(start);
        if ranges.len() != items.len() {
            return None;
        }
        for ((start, end), item) in ranges.into_iter().zip(items) {
            match item {
                Output::Named => {}
                Output::Unnamed(name) => {
                    let mut edits = self.edits.range((start, start)..(end, end));
                    if edits.next().is_some() && self.is_told(name) {
                        self.edits
                            .insert((end, end), format!(" AS {}", quoted(name)));
                    }
                }
                Output::Star(qualifier, columns) => {
                    self.star((start, end), *qualifier, columns)?;
                }
            }
        }
        Some(())
    }

    /// Whether an expression has its name from a column or the text of a path.
    fn is_told(&self, name: &str) -> bool {
        let is_column = matches!(&self.renamed.to, NewName::Column { from, .. } if from == name);
        is_column || name.contains(['.', '['])
    }

    fn star(
        &mut self,
        range: (usize, usize),
        qualifier: Option<Span>,
        columns: &[Named],
    ) -> Option<()> {
        match &self.renamed.to {
            NewName::Relation(to) => match (qualifier, columns.first()) {
                (Some(qualifier), Some(first)) if self.has_renamed_table(first) => {
                    self.replace(qualifier, quoted(&to.name))
                }
                _ => Some(()),
            },
            NewName::Column { .. } | NewName::Added(_) => {
                // Undeclared fields have no other word than `*`.
                let is_listed = columns.iter().any(|column| self.shows_another(column))
                    && !columns.iter().any(|column| column.is_rest);
                if is_listed {
                    let tables = columns.iter().map(|column| &column.table);
                    let is_one = tables.clone().min() == tables.max();
                    let says_table =
                        qualifier.is_some() || self.wording == Wording::Tables || !is_one;
                    let items = columns.iter().map(|column| {
                        let table = match says_table && !column.table.is_empty() {
                            true => format!("{}.", quoted(&column.table)),
                            false => String::new(),
                        };
                        match &self.renamed.to {
                            NewName::Column { from, to, .. } if self.is_renamed(column) => {
                                format!("{table}{} AS {}", quoted(to), quoted(from))
                            }
                            _ => format!("{table}{}", quoted(&column.column)),
                        }
                    });
                    let items: Vec<String> = items.collect();
                    self.edits.insert(range, items.join(", "));
                }
                Some(())
            }
        }
    }

    /// Whether `*` shows something else now, in the place of a column or beside it.
    fn shows_another(&self, column: &Named) -> bool {
        match self.renamed.to {
            // Perhaps by way of another `*` within.
            NewName::Added(_) => self.wording != Wording::Aliases,
            _ => self.is_renamed(column),
        }
    }

    /// Where the items of the SELECT list stand that begins there.
    fn items(&self, select: usize) -> Vec<(usize, usize)> {
        let found = self
            .tokens
            .binary_search_by_key(&select, |placed| placed.start);
        let after = found.map_or(self.tokens.len(), |at| at + 1);
        let mut tokens = self.tokens.get(after..).unwrap_or_default();
        if let Some((first, rest)) = tokens.split_first()
            && matches!(word(&first.token).as_deref(), Some("DISTINCT" | "ALL"))
        {
            tokens = rest;
        }
        let mut items: Vec<(usize, usize)> = Vec::new();
        let mut item: Option<(usize, usize)> = None;
        let mut depth = 0_usize;
        let mut before = None;
        for Placed { token, start, end } in tokens {
            let is_name = matches!(before, Some(&Token::Period))
                || before.and_then(plain_word).as_deref() == Some("AS");
            let word = if is_name { None } else { word(token) };
            let is_apart = before.and_then(plain_word).as_deref() == Some("DISTINCT");
            match (&token.token, word.as_deref()) {
                (Token::LParen | Token::LBracket | Token::LBrace, _) | (_, Some("CASE")) => {
                    depth += 1;
                }
                (Token::RParen | Token::RBracket | Token::RBrace, _) | (_, Some("END"))
                    if depth > 0 =>
                {
                    depth -= 1;
                }
                (Token::RParen, _) => break,
                (Token::Comma, _) if depth == 0 => {
                    items.extend(item.take());
                    before = Some(&token.token);
                    continue;
                }
                // IS DISTINCT FROM
                (_, Some("FROM")) if is_apart => {}
                (_, Some(word)) if depth == 0 && ENDS_OF_LIST.contains(&word) => break,
                _ => {}
            }
            item = Some((item.map_or(*start, |(start, _)| start), *end));
            before = Some(&token.token);
        }
        items.extend(item);
        items
    }

    fn apply(self) -> Option<String> {
        let mut told = String::with_capacity(self.text.len());
        let mut done = 0;
        for ((start, end), words) in self.edits {
            told.push_str(self.text.get(done..start)?);
            told.push_str(&words);
            done = end;
        }
        told.push_str(self.text.get(done..)?);
        Some(told)
    }
}

/// Words that end a SELECT list.
const ENDS_OF_LIST: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "INTERSECT",
    "EXCEPT",
];

fn word(token: &TokenWithSpan) -> Option<String> {
    plain_word(&token.token)
}

/// A word without quotes, in capitals.
fn plain_word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    }
}
