//! The pieces all statements share: words, names, lists, paths, options, numbers, and the fault they raise.
//! Built from the public pieces of sqlparser's `Parser`; never looks at the catalog.

use sqlparser::ast::{Expr, Ident, ObjectName};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::sql::dialect::{TailwaterDialect, next_words};
use crate::sql::error::sqlstate;
use crate::sql::statement::{Options, Path, PathStep};
use crate::sql::{keywords, lexer, limits};

/// The grammar over one statement's tokens.
pub(super) struct Grammar<'a> {
    pub(super) parser: Parser<'a>,
    sql: &'a str,
}

/// Why a statement was refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// sqlparser's word for it.
    Parser(ParserError),
    /// Ours.
    Own {
        sqlstate: &'static str,
        message: String,
        location: Location,
        hint: Option<&'static str>,
    },
}

impl From<ParserError> for Fault {
    fn from(error: ParserError) -> Self {
        Fault::Parser(error)
    }
}

impl Fault {
    /// SQLSTATE, message, location if known, advice.
    pub(super) fn into_parts(self) -> (&'static str, String, Option<Location>, Option<String>) {
        match self {
            Fault::Own {
                sqlstate,
                message,
                location,
                hint,
            } => (sqlstate, message, Some(location), hint.map(str::to_owned)),
            Fault::Parser(ParserError::RecursionLimitExceeded) => (
                sqlstate::STATEMENT_TOO_COMPLEX,
                "the statement is nested too deeply".to_owned(),
                None,
                None,
            ),
            Fault::Parser(ParserError::TokenizerError(text) | ParserError::ParserError(text)) => {
                let (text, location) = split_location(&text);
                let message = match text.strip_prefix("Expected: ") {
                    Some(rest) => match rest.rsplit_once(", found: ") {
                        Some((expected, found)) => expected_message(expected, found),
                        None => format!("expected {rest}"),
                    },
                    None => text.to_owned(),
                };
                (sqlstate::SYNTAX_ERROR, message, location, None)
            }
        }
    }
}

fn expected_message(expected: &str, found: &str) -> String {
    match found {
        "EOF" => format!("expected {expected}, but the statement ends"),
        _ => format!("expected {expected}, found {found}"),
    }
}

/// Takes sqlparser's ` at Line: 1, Column: 2` off a message.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let parsed = text.rsplit_once(" at Line: ").and_then(|(message, rest)| {
        let (line, column) = rest.split_once(", Column: ")?;
        Some((
            message,
            Location::new(line.parse().ok()?, column.parse().ok()?),
        ))
    });
    match parsed {
        Some((message, location)) => (message, Some(location)),
        None => (text, None),
    }
}

impl<'a> Grammar<'a> {
    pub(super) fn new(
        dialect: &'a TailwaterDialect,
        sql: &'a str,
        tokens: Vec<TokenWithSpan>,
    ) -> Self {
        let parser = Parser::new(dialect)
            .with_recursion_limit(limits::RECURSION_MAX)
            .with_tokens_with_locations(tokens);
        Grammar { parser, sql }
    }

    // ---- faults

    /// The next token is not what was due.
    pub(super) fn unexpected(&self, expected: &str) -> Fault {
        let found = self.parser.peek_token_ref();
        Fault::Own {
            sqlstate: sqlstate::SYNTAX_ERROR,
            message: expected_message(expected, &found.to_string()),
            location: found.span.start,
            hint: None,
        }
    }

    /// SQL we do not have, at the next token.
    pub(super) fn unsupported(&self, what: &str, hint: Option<&'static str>) -> Fault {
        Fault::Own {
            sqlstate: sqlstate::FEATURE_NOT_SUPPORTED,
            message: format!("{what} is not supported"),
            location: self.parser.peek_token_ref().span.start,
            hint,
        }
    }

    /// A syntax error at the next token with a message of its own.
    pub(super) fn refuse(&self, message: impl Into<String>, hint: &'static str) -> Fault {
        Fault::Own {
            sqlstate: sqlstate::SYNTAX_ERROR,
            message: message.into(),
            location: self.parser.peek_token_ref().span.start,
            hint: Some(hint),
        }
    }

    // ---- words

    /// Takes a keyword if it is next.
    pub(super) fn keyword(&mut self, keyword: Keyword) -> bool {
        self.parser.parse_keyword(keyword)
    }

    /// Takes these words if they are next, whether sqlparser knows them or not.
    pub(super) fn words(&mut self, words: &[&str]) -> bool {
        let found = next_words(&self.parser, 0, words);
        if found {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        found
    }

    /// Whether these words are next.
    pub(super) fn at_words(&self, words: &[&str]) -> bool {
        next_words(&self.parser, 0, words)
    }

    /// Takes these words or fails.
    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<(), Fault> {
        if self.words(words) {
            Ok(())
        } else {
            Err(self.unexpected(&words.join(" ").to_ascii_uppercase()))
        }
    }

    /// Takes a token if it is next.
    pub(super) fn token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    /// Takes a token or fails.
    pub(super) fn expect(&mut self, token: &Token) -> Result<(), Fault> {
        self.parser.expect_token(token)?;
        Ok(())
    }

    /// Whether this token is next.
    pub(super) fn at(&self, token: &Token) -> bool {
        self.parser.peek_token_ref().token == *token
    }

    /// The bare word `n` tokens ahead, in lower case.
    pub(super) fn word_at(&self, n: usize) -> Option<String> {
        match &self.parser.peek_nth_token_ref(n).token {
            Token::Word(word) if word.quote_style.is_none() => {
                Some(word.value.to_ascii_lowercase())
            }
            _ => None,
        }
    }

    /// Byte offset of the next token, or of the end.
    pub(super) fn offset(&self) -> usize {
        lexer::byte_offset(self.sql, self.parser.peek_token_ref().span.start)
    }

    /// Byte offset after the last token taken.
    pub(super) fn offset_behind(&self) -> usize {
        lexer::byte_offset(self.sql, self.parser.get_current_token().span.end)
    }

    // ---- names

    /// A name that is not a reserved word.
    pub(super) fn ident(&mut self) -> Result<Ident, Fault> {
        let token = self.parser.peek_token_ref();
        match &token.token {
            Token::Word(word) if word.quote_style.is_some() => {}
            Token::Word(word) if keywords::is_reserved(&word.value) => {
                return Err(Fault::Own {
                    sqlstate: sqlstate::SYNTAX_ERROR,
                    message: format!("expected a name, found the reserved word {}", word.value),
                    location: token.span.start,
                    hint: Some("a reserved word in double quotes can be a name"),
                });
            }
            Token::Word(_) => {}
            _ => return Err(self.unexpected("a name")),
        }
        Ok(self.parser.parse_identifier()?)
    }

    /// `name` or `schema.name`.
    pub(super) fn object_name(&mut self) -> Result<ObjectName, Fault> {
        let mut parts = vec![self.ident()?];
        while self.token(&Token::Period) {
            parts.push(self.parser.parse_identifier()?);
        }
        Ok(ObjectName::from(parts))
    }

    /// `[AS] alias`, unless the next bare word is one of `stops` or reserved.
    pub(super) fn alias(&mut self, stops: &[&str]) -> Result<Option<Ident>, Fault> {
        if self.keyword(Keyword::AS) {
            return self.ident().map(Some);
        }
        match &self.parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_some() => self.ident().map(Some),
            Token::Word(word) => {
                let lower = word.value.to_ascii_lowercase();
                if stops.contains(&lower.as_str()) || keywords::is_reserved(&lower) {
                    Ok(None)
                } else {
                    self.ident().map(Some)
                }
            }
            _ => Ok(None),
        }
    }

    /// `IF NOT EXISTS`.
    pub(super) fn if_not_exists(&mut self) -> bool {
        self.words(&["if", "not", "exists"])
    }

    /// `IF EXISTS`.
    pub(super) fn if_exists(&mut self) -> bool {
        self.words(&["if", "exists"])
    }

    /// `CASCADE` (true), `RESTRICT` or nothing.
    pub(super) fn cascade(&mut self) -> bool {
        let cascade = self.keyword(Keyword::CASCADE);
        if !cascade {
            self.keyword(Keyword::RESTRICT);
        }
        cascade
    }

    // ---- lists

    /// `item, item, …`
    pub(super) fn comma<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut items = vec![item(self)?];
        while self.token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, item, …)`
    pub(super) fn parens<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.expect(&Token::LParen)?;
        let items = self.comma(item)?;
        self.expect(&Token::RParen)?;
        Ok(items)
    }

    /// An expression.
    pub(super) fn expr(&mut self) -> Result<Expr, Fault> {
        Ok(self.parser.parse_expr()?)
    }

    /// An expression, or `None` for the word DEFAULT.
    pub(super) fn expr_or_default(&mut self) -> Result<Option<Expr>, Fault> {
        if self.keyword(Keyword::DEFAULT) {
            Ok(None)
        } else {
            self.expr().map(Some)
        }
    }

    // ---- paths, options, numbers

    /// `a`, `a.b[0]`, `a["b c"]`.
    pub(super) fn path(&mut self) -> Result<Path, Fault> {
        let root = self.ident()?;
        let mut steps = Vec::new();
        loop {
            if self.token(&Token::Period) {
                steps.push(PathStep::Field(self.parser.parse_identifier()?));
            } else if self.token(&Token::LBracket) {
                let token = self.parser.peek_token_ref();
                let span = token.span;
                let name = match &token.token {
                    Token::SingleQuotedString(text) => Some(text.clone()),
                    Token::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
                    _ => None,
                };
                match name {
                    Some(name) => {
                        self.parser.advance_token();
                        steps.push(PathStep::Field(Ident::with_quote_and_span('"', span, name)));
                    }
                    None => steps.push(PathStep::Index(self.signed()?)),
                }
                self.expect(&Token::RBracket)?;
            } else {
                return Ok(Path { root, steps });
            }
        }
    }

    /// A whole number with an optional sign.
    pub(super) fn signed(&mut self) -> Result<i64, Fault> {
        let negative = self.token(&Token::Minus);
        if !negative {
            self.token(&Token::Plus);
        }
        let token = self.parser.peek_token_ref();
        let Token::Number(digits, _) = &token.token else {
            return Err(self.unexpected("a whole number"));
        };
        let text = if negative {
            format!("-{digits}")
        } else {
            digits.clone()
        };
        let number = text.parse().map_err(|_| Fault::Own {
            sqlstate: sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            message: format!("{text} is not a whole number of 64 bits"),
            location: token.span.start,
            hint: None,
        })?;
        self.parser.advance_token();
        Ok(number)
    }

    /// `WITH (name = value, …)` if it is next.
    pub(super) fn with_options(&mut self) -> Result<Options, Fault> {
        let paren = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        if !paren || !self.keyword(Keyword::WITH) {
            return Ok(Options::new());
        }
        self.option_list()
    }

    /// `(name = value, name value, name, …)`; names in lower case.
    pub(super) fn option_list(&mut self) -> Result<Options, Fault> {
        self.parens(|grammar| {
            let mut name = grammar
                .parser
                .parse_identifier()?
                .value
                .to_ascii_lowercase();
            while grammar.token(&Token::Period) {
                name.push('.');
                name.push_str(
                    &grammar
                        .parser
                        .parse_identifier()?
                        .value
                        .to_ascii_lowercase(),
                );
            }
            let bare = !grammar.token(&Token::Eq)
                && (grammar.at(&Token::Comma) || grammar.at(&Token::RParen));
            let value = if bare {
                None
            } else {
                Some(grammar.option_value()?)
            };
            Ok((name, value))
        })
    }

    /// A value of an option or setting: an expression, or any bare word (`on`, `default`).
    pub(super) fn option_value(&mut self) -> Result<Expr, Fault> {
        let bare = match &self.parser.peek_token_ref().token {
            Token::Word(word) => !matches!(
                word.keyword,
                Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::INTERVAL | Keyword::ARRAY
            ),
            _ => false,
        };
        if bare {
            Ok(Expr::Identifier(self.parser.parse_identifier()?))
        } else {
            self.expr()
        }
    }

    /// `RETURNING …` if it is next.
    pub(super) fn returning(&mut self) -> Result<Option<Vec<sqlparser::ast::SelectItem>>, Fault> {
        if !self.keyword(Keyword::RETURNING) {
            return Ok(None);
        }
        Ok(Some(
            self.parser
                .parse_comma_separated(Parser::parse_select_item)?,
        ))
    }

    /// `WHERE …` if it is next.
    pub(super) fn filter(&mut self) -> Result<Option<Expr>, Fault> {
        if self.keyword(Keyword::WHERE) {
            self.expr().map(Some)
        } else {
            Ok(None)
        }
    }
}
