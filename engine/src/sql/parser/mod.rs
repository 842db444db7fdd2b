//! Script text to statements. Each statement is read from its own tokens, so one script can hold forms only
//! we know beside those sqlparser reads; every error carries its byte position. Knows no catalog.
//! Doors: `grammar` (shared pieces), `query`, `dml`, `table`, `definition`, `session`, `feed`.

mod definition;
mod dml;
mod feed;
mod grammar;
mod module;
mod session;
mod table;

use std::sync::Arc;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use self::grammar::{Fault, Grammar};
use super::dialect::TailwaterDialect;
use super::error::{SqlError, SqlResult, sqlstate};
use super::lexer::{self, Slice};
use super::statement::{Parsed, Statement};
use super::{hint, limits};

/// All statements of a script, in order; empty ones are left out.
///
/// # Errors
/// The first statement that is not SQL (42601), is SQL we do not have (0A000) or is too deep (54001).
pub fn parse_script(sql: &str) -> SqlResult<Vec<Parsed>> {
    let dialect = TailwaterDialect::default();
    let source: Arc<str> = sql.into();
    lexer::split(sql)?
        .into_iter()
        .map(|slice| parse_slice(&dialect, &source, slice))
        .collect()
}

/// The one statement of a text.
///
/// # Errors
/// As [`parse_script`], and 42601 when there is none or more than one.
pub fn parse_one(sql: &str) -> SqlResult<Parsed> {
    let mut slices = lexer::split(sql)?.into_iter();
    let Some(first) = slices.next() else {
        return Err(SqlError::new(sqlstate::SYNTAX_ERROR, "there is no statement").at(0));
    };
    if let Some(second) = slices.next() {
        return Err(
            SqlError::new(sqlstate::SYNTAX_ERROR, "there is more than one statement")
                .at(second.range.start)
                .hint("run them one by one, or as a script"),
        );
    }
    parse_slice(&TailwaterDialect::default(), &sql.into(), first)
}

fn parse_slice(dialect: &TailwaterDialect, sql: &Arc<str>, slice: Slice) -> SqlResult<Parsed> {
    if let Err(too) = limits::check(&slice.tokens) {
        let message = format!("more than {} {}", too.limit, too.what);
        return Err(SqlError::new(sqlstate::STATEMENT_TOO_COMPLEX, message)
            .at(lexer::byte_offset(sql, too.location))
            .hint("split the statement, or keep the values in a table and join it"));
    }
    let range = slice.range;
    dialect.take_question_marks();
    let mut grammar = Grammar::new(dialect, sql, slice.tokens);
    match grammar.whole_statement() {
        Ok(statement) => Ok(Parsed {
            statement,
            text_range: range,
            source: Arc::clone(sql),
            question_marks: dialect.take_question_marks(),
        }),
        Err(fault) => Err(to_error(sql, &range, fault)),
    }
}

/// Fault to error: location to byte offset, sqlparser's wording to ours, advice added.
fn to_error(sql: &str, range: &std::ops::Range<usize>, fault: Fault) -> SqlError {
    let (code, message, location, advice) = fault.into_parts();
    let position = match location {
        Some(location) if location.line > 0 => lexer::byte_offset(sql, location),
        _ => range.end,
    };
    let advice = advice.or_else(|| {
        if code != sqlstate::SYNTAX_ERROR {
            return None;
        }
        let text = sql.get(range.clone())?;
        hint::for_syntax(text, position.checked_sub(range.start)?, &message)
    });
    SqlError {
        sqlstate: code,
        message,
        position: Some(position),
        object: None,
        hint: advice,
        location: None,
    }
}

impl Grammar<'_> {
    /// A statement and nothing after it.
    fn whole_statement(&mut self) -> Result<Statement, Fault> {
        let statement = self.statement()?;
        match &self.parser.peek_token_ref().token {
            Token::EOF => Ok(statement),
            _ => Err(self.unexpected("the end of the statement")),
        }
    }

    /// One statement, told by its first word.
    pub(super) fn statement(&mut self) -> Result<Statement, Fault> {
        let token = self.parser.peek_token_ref();
        let word = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word,
            Token::LParen => return Ok(Statement::Query(self.parser.parse_query()?)),
            _ => return Err(self.unexpected("a statement")),
        };
        match word.keyword {
            Keyword::SELECT | Keyword::VALUES => Ok(Statement::Query(self.parser.parse_query()?)),
            Keyword::TABLE => self.table_query(),
            Keyword::WITH => self.with(),
            Keyword::INSERT | Keyword::REPLACE => self.insert(None),
            Keyword::UPDATE => self.update(None),
            Keyword::DELETE => self.delete(None),
            Keyword::CREATE => self.create(),
            Keyword::ALTER => self.alter(),
            Keyword::DROP => self.drop_object(),
            Keyword::TRUNCATE => self.truncate(),
            Keyword::BEGIN | Keyword::START => self.begin(),
            Keyword::COMMIT | Keyword::END => self.commit(),
            Keyword::ROLLBACK | Keyword::ABORT => self.rollback(),
            Keyword::SAVEPOINT => self.savepoint(),
            Keyword::RELEASE => self.release(),
            Keyword::EXPLAIN | Keyword::DESCRIBE => self.explain(),
            Keyword::SHOW => self.show(),
            Keyword::SET => self.set(),
            Keyword::RESET => self.reset(),
            Keyword::CHECK => self.check_view(),
            Keyword::REFRESH => self.refresh(),
            Keyword::DECLARE => self.declare(),
            Keyword::FETCH => self.fetch(),
            Keyword::CLOSE => self.close(),
            Keyword::ANALYZE => self.analyze(),
            _ => match word.value.to_ascii_lowercase().as_str() {
                "tail" | "subscribe" => self.tail_statement(),
                "reindex" => self.reindex(),
                "move" => self.fetch(),
                "checkpoint" => {
                    self.parser.advance_token();
                    Ok(Statement::Checkpoint)
                }
                "vacuum" => {
                    self.parser.advance_token();
                    // There is one way to do it.
                    let _ = self.parser.parse_keyword(Keyword::FULL);
                    Ok(Statement::Vacuum)
                }
                other => Err(self.unknown_statement(&other.to_ascii_uppercase())),
            },
        }
    }
}

#[cfg(test)]
mod tests;
