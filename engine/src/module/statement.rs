//! The statement of a binding: `:name` and `:channel.name` become `$1` and `$2`, and the paths that they stand for.
//!
//! Told by tokens: what stands in quotes or comments is left alone. Next door: `plan`, which has the text.

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::{Error, Result};
use crate::sql::dialect::TailwaterDialect;
use crate::sql::lexer::byte_offset;

/// A statement whose parameters are fields of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoundStatement {
    /// With `$1`, `$2`, … in place of the fields.
    pub(crate) sql: String,
    /// The fields, by their path: `channel.name`. `$1` is the first.
    pub(crate) fields: Vec<String>,
}

impl BoundStatement {
    /// # Errors
    /// `42601` for a text that is no SQL.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let dialect = TailwaterDialect::default();
        let tokens = Tokenizer::new(&dialect, text)
            .tokenize_with_location()
            .map_err(|error| {
                Error::statement("42601", error.message).at(byte_offset(text, error.location))
            })?;
        let mut bound = Self {
            sql: String::with_capacity(text.len()),
            fields: Vec::new(),
        };
        let mut done = 0;
        let mut before = None;
        let mut rest = tokens.as_slice();
        while let [first, behind @ ..] = rest {
            let is_parameter = begins(before, first);
            before = Some(&first.token);
            rest = behind;
            let Some((path, end, behind)) = is_parameter.then(|| path(first, behind)).flatten()
            else {
                continue;
            };
            rest = behind;
            let place = match bound.fields.iter().position(|field| *field == path) {
                Some(place) => place,
                None => {
                    bound.fields.push(path);
                    bound.fields.len() - 1
                }
            };
            let start = byte_offset(text, first.span.start);
            bound
                .sql
                .push_str(text.get(done..start).unwrap_or_default());
            bound.sql.push_str(&format!("${}", place + 1));
            done = byte_offset(text, end);
        }
        bound.sql.push_str(text.get(done..).unwrap_or_default());
        Ok(bound)
    }
}

/// Whether a token is the colon before a parameter's name, and not that behind a field's of a document, or of a slice.
fn begins(before: Option<&Token>, token: &TokenWithSpan) -> bool {
    let is_behind_name = matches!(
        before,
        Some(
            Token::Word(_)
                | Token::SingleQuotedString(_)
                | Token::Number(..)
                | Token::RBracket
                | Token::RParen
                | Token::LBracket
        )
    );
    token.token == Token::Colon && !is_behind_name
}

/// The words behind a colon with dots between them: their text, where they end, and what follows.
fn path<'t>(
    colon: &TokenWithSpan,
    behind: &'t [TokenWithSpan],
) -> Option<(String, Location, &'t [TokenWithSpan])> {
    let (first, mut rest) = behind.split_first()?;
    let Token::Word(word) = &first.token else {
        return None;
    };
    if first.span.start != colon.span.end {
        return None;
    }
    let (mut path, mut end) = (word.value.clone(), first.span.end);
    while let [period, step, behind @ ..] = rest
        && period.token == Token::Period
        && period.span.start == end
        && step.span.start == period.span.end
        && let Token::Word(word) = &step.token
    {
        path.push('.');
        path.push_str(&word.value);
        end = step.span.end;
        rest = behind;
    }
    Some((path, end, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_numbers() {
        for (text, sql, fields) in [
            ("SELECT 1", "SELECT 1", &[][..]),
            (
                "SELECT * FROM t WHERE channel.name = :name AND n > :at.least",
                "SELECT * FROM t WHERE channel.name = $1 AND n > $2",
                &["name", "at.least"],
            ),
            (
                "SELECT :a.b.c::text, ':a', \":a\", x::int, :a -- :a",
                "SELECT $1::text, ':a', \":a\", x::int, $2 -- :a",
                &["a.b.c", "a"],
            ),
            (
                "SELECT {a:b, 'c':d, e: :f, g: {h::i}}, x[1:n], y[:m]",
                "SELECT {a:b, 'c':d, e: $1, g: {h::i}}, x[1:n], y[:m]",
                &["f"],
            ),
            (
                "VALUES (:a, :a, 'ü', :b)",
                "VALUES ($1, $1, 'ü', $2)",
                &["a", "b"],
            ),
        ] {
            let bound = BoundStatement::new(text).unwrap();
            assert_eq!(
                (bound.sql.as_str(), &*bound.fields),
                (
                    sql,
                    fields
                        .iter()
                        .map(|f| (*f).to_owned())
                        .collect::<Vec<_>>()
                        .as_slice()
                ),
                "{text}"
            );
        }
        assert!(BoundStatement::new("SELECT 'open").is_err());
    }
}
