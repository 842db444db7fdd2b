//! CREATE TABLE and the parts ALTER TABLE shares with it: columns with or without a type, nested document
//! columns, `...` for open ones, constraints, keys and indexes on paths. Reads text only.

use sqlparser::ast::{DataType, Ident};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::grammar::{Fault, Grammar};
use crate::sql::dialect::TailwaterDialect;
use crate::sql::statement::{
    ColumnDef, ColumnOption, CreateIndex, CreateTable, ForeignAction, ForeignTarget, KeyPart,
    KeyPartOn, SequenceOptions, Statement, TableBody, TableConstraint,
};

/// Columns, constraints of one list.
type Body = (TableBody, Vec<TableConstraint>);

impl Grammar<'_> {
    /// CREATE TABLE, after `CREATE [TEMP] TABLE`.
    pub(super) fn create_table(&mut self, temporary: bool) -> Result<Statement, Fault> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let (body, constraints) = if self.at(&Token::LParen) {
            self.table_body()?
        } else {
            (
                TableBody {
                    columns: Vec::new(),
                    open: true,
                },
                Vec::new(),
            )
        };
        let options = self.with_options()?;
        let query = if self.keyword(Keyword::AS) {
            Some(self.parser.parse_query()?)
        } else {
            None
        };
        let with_data = query.is_none() || self.with_data();
        Ok(Statement::CreateTable(Box::new(CreateTable {
            name,
            if_not_exists,
            temporary,
            body,
            constraints,
            options,
            query,
            with_data,
        })))
    }

    /// `WITH [NO] DATA` behind a query; true unless NO is said.
    pub(super) fn with_data(&mut self) -> bool {
        if self.words(&["with", "no", "data"]) {
            return false;
        }
        self.words(&["with", "data"]);
        true
    }

    /// `(column, …, constraint, …, ...)`
    fn table_body(&mut self) -> Result<Body, Fault> {
        let mut body = TableBody::default();
        let mut constraints = Vec::new();
        self.expect(&Token::LParen)?;
        if self.token(&Token::RParen) {
            return Ok((body, constraints));
        }
        loop {
            if self.ellipsis() {
                body.open = true;
                if !self.at(&Token::RParen) {
                    return Err(self.refuse(
                        "... stands at the end of the list",
                        "declare columns and constraints before ...",
                    ));
                }
            } else if self.at_table_constraint() {
                constraints.push(self.table_constraint()?);
            } else {
                if !constraints.is_empty() {
                    return Err(self.refuse(
                        "a column after a table constraint",
                        "declare all columns first, then the constraints",
                    ));
                }
                body.columns.push(self.column_def()?);
            }
            if !self.token(&Token::Comma) {
                break;
            }
        }
        if !self.token(&Token::RParen) {
            return Err(self.unexpected("',' or ')' in the list of columns"));
        }
        Ok((body, constraints))
    }

    /// `...`, three periods.
    fn ellipsis(&mut self) -> bool {
        self.parser
            .consume_tokens(&[Token::Period, Token::Period, Token::Period])
    }

    /// One column: `name [type] [options]`, `name (fields) [options]`, `name DOCUMENT (fields)`.
    pub(super) fn column_def(&mut self) -> Result<ColumnDef, Fault> {
        let name = self.ident()?;
        let document = matches!(self.word_at(0).as_deref(), Some("document" | "object"));
        let nested_at = usize::from(document);
        let mut data_type = None;
        let mut fields = None;
        if self.parser.peek_nth_token_ref(nested_at).token == Token::LParen {
            if document {
                self.parser.advance_token();
            }
            let (body, constraints) = self.table_body()?;
            if !constraints.is_empty() {
                return Err(self.refuse(
                    "a table constraint inside a document",
                    "write it at the end of the table, with paths such as a.b",
                ));
            }
            fields = Some(body);
        } else if !self.at_column_end() {
            data_type = Some(self.data_type()?);
        }
        let mut options = Vec::new();
        while let Some(option) = self.column_option()? {
            options.push(option);
        }
        Ok(ColumnDef {
            name,
            data_type,
            fields,
            options,
        })
    }

    /// A type; words for whole numbers of odd widths are left to the binder.
    pub(super) fn data_type(&mut self) -> Result<DataType, Fault> {
        match &self.parser.peek_token_ref().token {
            Token::Word(_) => Ok(self.parser.parse_data_type()?),
            _ => Err(self.unexpected("a type")),
        }
    }

    fn at_column_end(&self) -> bool {
        match &self.parser.peek_token_ref().token {
            Token::Comma | Token::RParen | Token::EOF => true,
            Token::Word(word) if word.quote_style.is_none() => matches!(
                word.keyword,
                Keyword::PRIMARY
                    | Keyword::NOT
                    | Keyword::NULL
                    | Keyword::UNIQUE
                    | Keyword::DEFAULT
                    | Keyword::CHECK
                    | Keyword::REFERENCES
                    | Keyword::CONSTRAINT
                    | Keyword::GENERATED
                    | Keyword::COLLATE
            ),
            _ => false,
        }
    }

    fn constraint_name(&mut self) -> Result<Option<Ident>, Fault> {
        if self.keyword(Keyword::CONSTRAINT) {
            self.ident().map(Some)
        } else {
            Ok(None)
        }
    }

    fn column_option(&mut self) -> Result<Option<ColumnOption>, Fault> {
        let name = self.constraint_name()?;
        if self.words(&["primary", "key"]) {
            let descending = self.descending();
            return Ok(Some(ColumnOption::PrimaryKey { name, descending }));
        }
        if self.words(&["not", "null"]) {
            return Ok(Some(ColumnOption::NotNull));
        }
        if self.words(&["null"]) {
            return Ok(Some(ColumnOption::Null));
        }
        if self.words(&["unique"]) {
            return Ok(Some(ColumnOption::Unique { name }));
        }
        if self.words(&["default"]) {
            return Ok(Some(ColumnOption::Default(self.default_expr()?)));
        }
        if self.words(&["check"]) {
            let expr = self.check_expr()?;
            return Ok(Some(ColumnOption::Check { name, expr }));
        }
        if self.words(&["references"]) {
            let target = self.foreign_target()?;
            return Ok(Some(ColumnOption::References { name, target }));
        }
        if self.words(&["collate"]) {
            return Ok(Some(ColumnOption::Collate(self.object_name()?)));
        }
        if self.words(&["generated"]) {
            return self.generated().map(Some);
        }
        match name {
            Some(_) => Err(self.unexpected("a constraint")),
            None => Ok(None),
        }
    }

    /// What may follow DEFAULT without brackets: anything that binds tighter than IS, NOT and AND.
    pub(super) fn default_expr(&mut self) -> Result<sqlparser::ast::Expr, Fault> {
        let precedence = TailwaterDialect::default().prec_value(Precedence::Is);
        Ok(self.parser.parse_subexpr(precedence)?)
    }

    fn check_expr(&mut self) -> Result<sqlparser::ast::Expr, Fault> {
        self.expect(&Token::LParen)?;
        let expr = self.expr()?;
        self.expect(&Token::RParen)?;
        self.words(&["no", "inherit"]);
        Ok(expr)
    }

    fn generated(&mut self) -> Result<ColumnOption, Fault> {
        let always = if self.words(&["always"]) {
            true
        } else {
            self.expect_words(&["by", "default"])?;
            false
        };
        self.expect_words(&["as"])?;
        if self.words(&["identity"]) {
            let options = if self.token(&Token::LParen) {
                let options = self.sequence_options()?;
                self.expect(&Token::RParen)?;
                options
            } else {
                SequenceOptions::default()
            };
            return Ok(ColumnOption::Identity { always, options });
        }
        self.expect(&Token::LParen)?;
        let expr = self.expr()?;
        self.expect(&Token::RParen)?;
        let stored = self.words(&["stored"]);
        if !stored {
            self.words(&["virtual"]);
        }
        Ok(ColumnOption::Generated { expr, stored })
    }

    fn foreign_target(&mut self) -> Result<ForeignTarget, Fault> {
        let table = self.object_name()?;
        let columns = if self.at(&Token::LParen) {
            self.parens(Self::ident)?
        } else {
            Vec::new()
        };
        let mut target = ForeignTarget {
            table,
            columns,
            on_delete: ForeignAction::default(),
            on_update: ForeignAction::default(),
        };
        loop {
            if self.words(&["on", "delete"]) {
                target.on_delete = self.foreign_action()?;
            } else if self.words(&["on", "update"]) {
                target.on_update = self.foreign_action()?;
            } else if self.words(&["match"]) {
                if !self.words(&["simple"]) && !self.words(&["full"]) {
                    return Err(self.unexpected("SIMPLE or FULL"));
                }
            } else if !self.deferrable() {
                return Ok(target);
            }
        }
    }

    /// `[NOT] DEFERRABLE`, `INITIALLY …`: accepted, constraints are checked at the end of the statement.
    fn deferrable(&mut self) -> bool {
        self.words(&["deferrable"])
            || self.words(&["not", "deferrable"])
            || self.words(&["initially", "deferred"])
            || self.words(&["initially", "immediate"])
    }

    fn foreign_action(&mut self) -> Result<ForeignAction, Fault> {
        for (words, action) in [
            (&["no", "action"][..], ForeignAction::NoAction),
            (&["restrict"], ForeignAction::Restrict),
            (&["cascade"], ForeignAction::Cascade),
            (&["set", "null"], ForeignAction::SetNull),
            (&["set", "default"], ForeignAction::SetDefault),
        ] {
            if self.words(words) {
                return Ok(action);
            }
        }
        Err(self.unexpected("NO ACTION, RESTRICT, CASCADE, SET NULL or SET DEFAULT"))
    }

    /// Whether a table constraint is next rather than a column of that name.
    pub(super) fn at_table_constraint(&self) -> bool {
        let second_paren = self.parser.peek_nth_token_ref(1).token == Token::LParen;
        match self.word_at(0).as_deref() {
            Some("constraint") => true,
            Some("primary" | "foreign") => self.word_at(1).as_deref() == Some("key"),
            Some("check") => second_paren,
            Some("unique") => second_paren || self.word_at(1).as_deref() == Some("nulls"),
            _ => false,
        }
    }

    /// A table constraint.
    pub(super) fn table_constraint(&mut self) -> Result<TableConstraint, Fault> {
        let name = self.constraint_name()?;
        let constraint = if self.words(&["primary", "key"]) {
            TableConstraint::PrimaryKey {
                name,
                columns: self.key_parts()?,
            }
        } else if self.words(&["unique"]) {
            let nulls_equal = self.nulls_equal();
            TableConstraint::Unique {
                name,
                columns: self.key_parts()?,
                nulls_equal,
            }
        } else if self.words(&["check"]) {
            TableConstraint::Check {
                name,
                expr: self.check_expr()?,
            }
        } else if self.words(&["foreign", "key"]) {
            let columns = self.parens(Self::ident)?;
            self.expect_words(&["references"])?;
            TableConstraint::ForeignKey {
                name,
                columns,
                target: self.foreign_target()?,
            }
        } else if self.at_words(&["exclude"]) {
            return Err(self.unsupported("an EXCLUDE constraint", None));
        } else {
            return Err(self.unexpected("PRIMARY KEY, UNIQUE, CHECK or FOREIGN KEY"));
        };
        while self.deferrable() {}
        Ok(constraint)
    }

    /// `NULLS [NOT] DISTINCT`: whether nulls count as equal.
    fn nulls_equal(&mut self) -> bool {
        let equal = self.words(&["nulls", "not", "distinct"]);
        if !equal {
            self.words(&["nulls", "distinct"]);
        }
        equal
    }

    fn descending(&mut self) -> bool {
        let descending = self.keyword(Keyword::DESC);
        if !descending {
            self.keyword(Keyword::ASC);
        }
        descending
    }

    /// `(path [ASC|DESC] [NULLS FIRST|LAST], (expr), f(x), …)`
    pub(super) fn key_parts(&mut self) -> Result<Vec<KeyPart>, Fault> {
        self.parens(|grammar| {
            let call = grammar.parser.peek_nth_token_ref(1).token == Token::LParen;
            let on = if grammar.at(&Token::LParen) || call {
                KeyPartOn::Expr(grammar.expr()?)
            } else {
                KeyPartOn::Path(grammar.path()?)
            };
            let descending = grammar.descending();
            let nulls_first = match () {
                () if grammar.words(&["nulls", "first"]) => Some(true),
                () if grammar.words(&["nulls", "last"]) => Some(false),
                () => None,
            };
            Ok(KeyPart {
                on,
                descending,
                nulls_first,
            })
        })
    }

    /// CREATE INDEX, after `CREATE [UNIQUE] INDEX`.
    pub(super) fn create_index(&mut self, unique: bool) -> Result<Statement, Fault> {
        self.words(&["concurrently"]);
        let if_not_exists = self.if_not_exists();
        let name = if self.at_words(&["on"]) {
            None
        } else {
            Some(self.object_name()?)
        };
        self.expect_words(&["on"])?;
        self.words(&["only"]);
        let table = self.object_name()?;
        if self.words(&["using"]) && !self.words(&["btree"]) {
            return Err(self.unsupported(
                "an index that is not a btree",
                Some("leave USING out: indexes are ordered"),
            ));
        }
        let columns = self.key_parts()?;
        let include = if self.words(&["include"]) {
            self.parens(Self::ident)?
        } else {
            Vec::new()
        };
        let nulls_equal = self.nulls_equal();
        self.with_options()?;
        let filter = self.filter()?;
        Ok(Statement::CreateIndex(Box::new(CreateIndex {
            name,
            table,
            unique,
            if_not_exists,
            columns,
            include,
            filter,
            nulls_equal,
        })))
    }
}
