//! INSERT, UPDATE, DELETE and the WITH in front of them, in PostgreSQL's and Genji's forms: document rows,
//! DO REPLACE, SET on paths, UNSET, DELETE … LIMIT. Reads text only.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{Expr, Ident, ObjectName, Query, With};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::grammar::{Fault, Grammar};
use crate::sql::statement::{
    Assignment, ConflictAction, ConflictTarget, Delete, Insert, InsertRow, InsertSource,
    OnConflict, Path, Statement, Update,
};

impl Grammar<'_> {
    /// `TABLE name` is `SELECT * FROM name`, with the clauses a query may have behind it.
    pub(super) fn table_query(&mut self) -> Result<Statement, Fault> {
        Ok(Statement::Query(self.parser.parse_query()?))
    }

    /// `WITH …` before a query or a writing statement.
    pub(super) fn with(&mut self) -> Result<Statement, Fault> {
        if !self.with_writes() {
            return Ok(Statement::Query(self.parser.parse_query()?));
        }
        let with_token = self.parser.next_token();
        let recursive = self.keyword(Keyword::RECURSIVE);
        let cte_tables = self.parser.parse_comma_separated(Parser::parse_cte)?;
        let with = With {
            with_token: AttachedToken(with_token),
            recursive,
            cte_tables,
        };
        match self.word_at(0).as_deref() {
            Some("insert" | "replace") => self.insert(Some(with)),
            Some("update") => self.update(Some(with)),
            Some("delete") => self.delete(Some(with)),
            _ => Err(self.unexpected("SELECT, INSERT, UPDATE or DELETE")),
        }
    }

    /// Whether the first verb outside brackets writes.
    fn with_writes(&self) -> bool {
        let mut depth = 0_usize;
        let mut index = self.parser.index();
        loop {
            match &self.parser.token_at(index).token {
                Token::EOF => return false,
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                Token::Word(word) if depth == 0 && word.quote_style.is_none() => {
                    match word.keyword {
                        Keyword::SELECT | Keyword::VALUES | Keyword::TABLE => return false,
                        Keyword::INSERT | Keyword::UPDATE | Keyword::DELETE => return true,
                        _ => {}
                    }
                }
                _ => {}
            }
            index += 1;
        }
    }

    /// INSERT and REPLACE INTO.
    pub(super) fn insert(&mut self, with: Option<With>) -> Result<Statement, Fault> {
        let mut shorthand = None;
        if self.keyword(Keyword::REPLACE) {
            shorthand = Some(ConflictAction::Replace);
        } else {
            self.parser.expect_keyword_is(Keyword::INSERT)?;
            if self.words(&["or", "replace"]) {
                shorthand = Some(ConflictAction::Replace);
            } else if self.words(&["or", "ignore"]) {
                shorthand = Some(ConflictAction::Nothing);
            }
        }
        self.parser.expect_keyword_is(Keyword::INTO)?;
        let table = self.object_name()?;
        let alias = if self.keyword(Keyword::AS) {
            Some(self.ident()?)
        } else {
            None
        };
        let columns = if self.at(&Token::LParen) && !self.at_query_in_parens() {
            self.parens(Self::ident)?
        } else {
            Vec::new()
        };
        let overriding_system = match () {
            () if self.words(&["overriding", "system", "value"]) => Some(true),
            () if self.words(&["overriding", "user", "value"]) => Some(false),
            () => None,
        };
        let source = self.insert_source()?;
        let on_conflict = match self.on_conflict()? {
            None => shorthand.map(|action| OnConflict {
                target: None,
                action,
            }),
            said => said,
        };
        let returning = self.returning()?;
        Ok(Statement::Insert(Box::new(Insert {
            with,
            table,
            alias,
            columns,
            overriding_system,
            source,
            on_conflict,
            returning,
        })))
    }

    fn at_query_in_parens(&self) -> bool {
        let mut n = 0;
        while self.parser.peek_nth_token_ref(n).token == Token::LParen {
            n += 1;
        }
        matches!(
            self.word_at(n).as_deref(),
            Some("select" | "values" | "with" | "table")
        )
    }

    fn insert_source(&mut self) -> Result<InsertSource, Fault> {
        if self.words(&["default", "values"]) {
            return Ok(InsertSource::Defaults);
        }
        if !self.at_words(&["values"]) {
            let query = match &self.parser.peek_token_ref().token {
                Token::LParen | Token::Word(_) => self.parser.parse_query()?,
                _ => return Err(self.unexpected("VALUES or SELECT")),
            };
            return Ok(InsertSource::Query(query));
        }
        if self.values_is_a_query() {
            return Ok(InsertSource::Query(self.parser.parse_query()?));
        }
        self.parser.advance_token();
        Ok(InsertSource::Rows(self.comma(Self::insert_row)?))
    }

    /// Whether VALUES goes on as a query: UNION, ORDER BY, LIMIT behind it, outside brackets.
    fn values_is_a_query(&self) -> bool {
        let mut depth = 0_usize;
        let mut index = self.parser.index();
        loop {
            match &self.parser.token_at(index).token {
                Token::EOF => return false,
                Token::LParen | Token::LBrace | Token::LBracket => depth += 1,
                Token::RParen | Token::RBrace | Token::RBracket => depth = depth.saturating_sub(1),
                Token::Word(word) if depth == 0 && word.quote_style.is_none() => {
                    match word.keyword {
                        Keyword::ON | Keyword::RETURNING => return false,
                        Keyword::UNION
                        | Keyword::EXCEPT
                        | Keyword::INTERSECT
                        | Keyword::ORDER
                        | Keyword::LIMIT
                        | Keyword::OFFSET => return true,
                        _ => {}
                    }
                }
                _ => {}
            }
            index += 1;
        }
    }

    fn insert_row(&mut self) -> Result<InsertRow, Fault> {
        if !self.at(&Token::LParen) {
            return match &self.parser.peek_token_ref().token {
                Token::LBrace | Token::Question | Token::Placeholder(_) | Token::Colon => {
                    Ok(InsertRow::Document(self.expr()?))
                }
                _ => Err(self.unexpected("(values), a document or a parameter")),
            };
        }
        self.parser.advance_token();
        let row = self.comma(Self::expr_or_default)?;
        self.expect(&Token::RParen)?;
        Ok(InsertRow::Tuple(row))
    }

    fn on_conflict(&mut self) -> Result<Option<OnConflict>, Fault> {
        if !self.words(&["on", "conflict"]) {
            return Ok(None);
        }
        if self.words(&["ignore"]) {
            return Ok(Some(OnConflict {
                target: None,
                action: ConflictAction::Nothing,
            }));
        }
        if self.words(&["replace"]) {
            return Ok(Some(OnConflict {
                target: None,
                action: ConflictAction::Replace,
            }));
        }
        let target = if self.words(&["on", "constraint"]) {
            Some(ConflictTarget::Constraint(self.ident()?))
        } else if self.at(&Token::LParen) {
            let columns = self.key_parts()?;
            Some(ConflictTarget::Columns(columns, self.filter()?))
        } else {
            None
        };
        self.expect_words(&["do"])?;
        let action = if self.words(&["nothing"]) {
            ConflictAction::Nothing
        } else if self.words(&["replace"]) {
            ConflictAction::Replace
        } else if self.words(&["update", "set"]) {
            let assignments = self.comma(Self::assignment)?;
            ConflictAction::Update {
                assignments,
                filter: self.filter()?,
            }
        } else {
            return Err(self.unexpected("NOTHING, REPLACE or UPDATE SET"));
        };
        Ok(Some(OnConflict { target, action }))
    }

    fn assignment(&mut self) -> Result<Assignment, Fault> {
        if !self.at(&Token::LParen) {
            let path = self.path()?;
            self.expect(&Token::Eq)?;
            return Ok(Assignment::Path(path, self.expr_or_default()?));
        }
        let paths: Vec<Path> = self.parens(Self::path)?;
        self.expect(&Token::Eq)?;
        if self.at_query_in_parens() {
            self.expect(&Token::LParen)?;
            let query: Box<Query> = self.parser.parse_query()?;
            self.expect(&Token::RParen)?;
            return Ok(Assignment::Query(paths, query));
        }
        let row = self.words(&["row"]);
        let values = if row || self.at(&Token::LParen) {
            self.parens(Self::expr_or_default)?
        } else {
            vec![self.expr_or_default()?]
        };
        if values.len() != paths.len() {
            return Err(self.refuse(
                format!(
                    "{} columns are set, but there are {} values",
                    paths.len(),
                    values.len()
                ),
                "give one value for each column",
            ));
        }
        Ok(Assignment::Row(paths, values))
    }

    /// UPDATE.
    pub(super) fn update(&mut self, with: Option<With>) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::UPDATE)?;
        let (table, alias) = self.target(&["set", "unset"])?;
        let mut assignments = Vec::new();
        let mut unset = Vec::new();
        if self.keyword(Keyword::SET) {
            assignments = self.comma(Self::assignment)?;
        } else if self.words(&["unset"]) {
            unset = self.comma(Self::path)?;
        } else {
            return Err(self.unexpected("SET or UNSET"));
        }
        let from = if self.keyword(Keyword::FROM) {
            self.parser
                .parse_comma_separated(Parser::parse_table_and_joins)?
        } else {
            Vec::new()
        };
        let filter = self.filter()?;
        let returning = self.returning()?;
        Ok(Statement::Update(Box::new(Update {
            with,
            table,
            alias,
            assignments,
            unset,
            from,
            filter,
            returning,
        })))
    }

    fn target(&mut self, stops: &[&str]) -> Result<(ObjectName, Option<Ident>), Fault> {
        self.words(&["only"]);
        let table = self.object_name()?;
        self.token(&Token::Mul);
        Ok((table, self.alias(stops)?))
    }

    /// DELETE.
    pub(super) fn delete(&mut self, with: Option<With>) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::DELETE)?;
        self.parser.expect_keyword_is(Keyword::FROM)?;
        let (table, alias) = self.target(&["using", "where", "order", "limit", "offset"])?;
        let using = if self.keyword(Keyword::USING) {
            self.parser
                .parse_comma_separated(Parser::parse_table_and_joins)?
        } else {
            Vec::new()
        };
        let filter = self.filter()?;
        let order_by = if self.words(&["order", "by"]) {
            self.parser
                .parse_comma_separated(Parser::parse_order_by_expr)?
        } else {
            Vec::new()
        };
        let (limit, offset) = self.limit_offset()?;
        let returning = self.returning()?;
        Ok(Statement::Delete(Box::new(Delete {
            with,
            table,
            alias,
            using,
            filter,
            order_by,
            limit,
            offset,
            returning,
        })))
    }

    /// LIMIT and OFFSET in either order.
    fn limit_offset(&mut self) -> Result<(Option<Expr>, Option<Expr>), Fault> {
        let (mut limit, mut offset) = (None, None);
        loop {
            if limit.is_none() && self.keyword(Keyword::LIMIT) {
                limit = Some(self.expr()?);
            } else if offset.is_none() && self.keyword(Keyword::OFFSET) {
                offset = Some(self.expr()?);
                if !self.words(&["rows"]) {
                    self.words(&["row"]);
                }
            } else {
                return Ok((limit, offset));
            }
        }
    }
}
