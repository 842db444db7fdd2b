//! Transactions, settings, EXPLAIN, SHOW and maintenance statements. Reads text only.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::grammar::{Fault, Grammar};
use crate::sql::statement::{
    Explain, Isolation, ObjectKind, Options, Set, Show, Statement, TransactionModes,
};

impl Grammar<'_> {
    /// BEGIN, START TRANSACTION.
    pub(super) fn begin(&mut self) -> Result<Statement, Fault> {
        if self.keyword(Keyword::START) {
            self.expect_words(&["transaction"])?;
        } else {
            self.parser.expect_keyword_is(Keyword::BEGIN)?;
            self.work();
        }
        Ok(Statement::Begin(self.transaction_modes()?))
    }

    fn work(&mut self) {
        if !self.words(&["work"]) {
            self.words(&["transaction"]);
        }
    }

    fn transaction_modes(&mut self) -> Result<TransactionModes, Fault> {
        let mut modes = TransactionModes::default();
        loop {
            if self.words(&["read", "only"]) {
                modes.read_only = Some(true);
            } else if self.words(&["read", "write"]) {
                modes.read_only = Some(false);
            } else if self.words(&["deferrable"]) {
                modes.deferrable = Some(true);
            } else if self.words(&["not", "deferrable"]) {
                modes.deferrable = Some(false);
            } else if self.words(&["isolation", "level"]) {
                modes.isolation = Some(self.isolation()?);
            } else {
                return Ok(modes);
            }
            if self.token(&Token::Comma) && self.at(&Token::EOF) {
                return Err(self.unexpected("a transaction mode"));
            }
        }
    }

    fn isolation(&mut self) -> Result<Isolation, Fault> {
        for (words, level) in [
            (&["read", "uncommitted"][..], Isolation::ReadUncommitted),
            (&["read", "committed"], Isolation::ReadCommitted),
            (&["repeatable", "read"], Isolation::RepeatableRead),
            (&["serializable"], Isolation::Serializable),
        ] {
            if self.words(words) {
                return Ok(level);
            }
        }
        Err(self.unexpected("SERIALIZABLE or another isolation level"))
    }

    fn chain(&mut self) -> bool {
        if self.words(&["and", "no", "chain"]) {
            return false;
        }
        self.words(&["and", "chain"])
    }

    /// COMMIT, END.
    pub(super) fn commit(&mut self) -> Result<Statement, Fault> {
        self.parser.advance_token();
        self.work();
        Ok(Statement::Commit {
            chain: self.chain(),
        })
    }

    /// ROLLBACK, ABORT, ROLLBACK TO.
    pub(super) fn rollback(&mut self) -> Result<Statement, Fault> {
        self.parser.advance_token();
        self.work();
        if self.words(&["to"]) {
            self.words(&["savepoint"]);
            return Ok(Statement::RollbackTo(self.ident()?));
        }
        Ok(Statement::Rollback {
            chain: self.chain(),
        })
    }

    /// SAVEPOINT.
    pub(super) fn savepoint(&mut self) -> Result<Statement, Fault> {
        self.parser.advance_token();
        Ok(Statement::Savepoint(self.ident()?))
    }

    /// RELEASE.
    pub(super) fn release(&mut self) -> Result<Statement, Fault> {
        self.parser.advance_token();
        self.words(&["savepoint"]);
        Ok(Statement::ReleaseSavepoint(self.ident()?))
    }

    /// EXPLAIN; DESCRIBE t is SHOW COLUMNS FROM t.
    pub(super) fn explain(&mut self) -> Result<Statement, Fault> {
        let describe = self.keyword(Keyword::DESCRIBE);
        if describe {
            self.words(&["table"]);
            return Ok(Statement::Show(Show::Columns(self.object_name()?)));
        }
        self.parser.expect_keyword_is(Keyword::EXPLAIN)?;
        let mut options = Options::new();
        let (mut analyze, mut verbose) = (false, false);
        if self.at(&Token::LParen) && !self.at_query_after_paren() {
            for (name, value) in self.option_list()? {
                let on = !value
                    .as_ref()
                    .is_some_and(|value| is_off(&value.to_string()));
                match name.as_str() {
                    "analyze" => analyze = on,
                    "verbose" => verbose = on,
                    _ => options.push((name, value)),
                }
            }
        } else {
            analyze = self.words(&["analyze"]);
            verbose = self.words(&["verbose"]);
        }
        if self.at_words(&["explain"]) {
            return Err(self.unexpected("a statement to explain"));
        }
        let statement = self.statement()?;
        Ok(Statement::Explain(Box::new(Explain {
            analyze,
            verbose,
            options,
            statement,
        })))
    }

    fn at_query_after_paren(&self) -> bool {
        let next = self.parser.peek_nth_token_ref(1);
        next.token == Token::LParen
            || matches!(
                self.word_at(1).as_deref(),
                Some("select" | "values" | "with" | "table")
            )
    }

    /// SHOW.
    pub(super) fn show(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::SHOW)?;
        let show = if self.words(&["all"]) {
            Show::All
        } else if self.words(&["functions"]) {
            Show::Functions
        } else if self.words(&["tables"]) {
            Show::Tables
        } else if self.words(&["views"]) {
            Show::Views {
                materialized: false,
            }
        } else if self.words(&["materialized", "views"]) || self.words(&["materialised", "views"]) {
            Show::Views { materialized: true }
        } else if self.words(&["indexes"]) || self.words(&["indices"]) {
            let of = self.words(&["from"]) || self.words(&["on"]);
            Show::Indexes(if of { Some(self.object_name()?) } else { None })
        } else if self.words(&["sequences"]) {
            Show::Sequences
        } else if self.words(&["columns"]) {
            self.expect_words(&["from"])?;
            Show::Columns(self.object_name()?)
        } else if self.words(&["create"]) {
            let kind: ObjectKind = self.expect_object_kind("SHOW CREATE")?;
            Show::Create(kind, self.object_name()?)
        } else {
            Show::Setting(self.setting_name()?)
        };
        Ok(Statement::Show(show))
    }

    /// A setting's name in lower case: dotted, or two words the standard has.
    fn setting_name(&mut self) -> Result<String, Fault> {
        if self.words(&["time", "zone"]) {
            return Ok("timezone".to_owned());
        }
        if self.words(&["transaction", "isolation", "level"]) {
            return Ok("transaction_isolation".to_owned());
        }
        if !matches!(self.parser.peek_token_ref().token, Token::Word(_)) {
            return Err(self.unexpected("the name of a setting"));
        }
        let mut name = self.parser.parse_identifier()?.value.to_ascii_lowercase();
        while self.token(&Token::Period) {
            name.push('.');
            name.push_str(&self.parser.parse_identifier()?.value.to_ascii_lowercase());
        }
        Ok(name)
    }

    /// SET.
    pub(super) fn set(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::SET)?;
        let local = self.words(&["local"]);
        if !local {
            self.words(&["session"]);
        }
        if self.words(&["characteristics", "as", "transaction"]) || self.words(&["transaction"]) {
            return Ok(Statement::SetTransaction(self.transaction_modes()?));
        }
        let name = self.setting_name()?;
        if name == "timezone" {
            // SET TIME ZONE 'x' has no sign between, SET timezone = 'x' has one
            let _sign = self.token(&Token::Eq) || self.words(&["to"]);
        } else if !self.token(&Token::Eq) && !self.words(&["to"]) {
            return Err(self.unexpected("= or TO"));
        }
        let default = self.words(&["default"]);
        let values = if default {
            Vec::new()
        } else {
            self.comma(Self::option_value)?
        };
        Ok(Statement::Set(Set {
            local,
            name,
            values,
        }))
    }

    /// RESET.
    pub(super) fn reset(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::RESET)?;
        if self.words(&["all"]) {
            return Ok(Statement::Reset(None));
        }
        Ok(Statement::Reset(Some(self.object_name()?)))
    }

    /// CHECK VIEW.
    pub(super) fn check_view(&mut self) -> Result<Statement, Fault> {
        self.parser.advance_token();
        if !self.words(&["materialized"]) {
            self.words(&["materialised"]);
        }
        self.expect_words(&["view"])?;
        Ok(Statement::CheckView(self.object_name()?))
    }

    /// REFRESH.
    pub(super) fn refresh(&mut self) -> Result<Statement, Fault> {
        self.parser.advance_token();
        if !self.words(&["materialized"]) {
            self.words(&["materialised"]);
        }
        self.words(&["view"]);
        self.words(&["concurrently"]);
        let name = self.object_name()?;
        if !self.with_data() {
            return Err(self.unsupported("WITH NO DATA", Some("a view always holds its rows")));
        }
        Ok(Statement::Refresh(name))
    }

    /// REINDEX.
    pub(super) fn reindex(&mut self) -> Result<Statement, Fault> {
        self.parser.advance_token();
        if !self.words(&["table"]) {
            self.words(&["index"]);
        }
        if self.at(&Token::EOF) {
            return Ok(Statement::Reindex(None));
        }
        Ok(Statement::Reindex(Some(self.object_name()?)))
    }

    /// ANALYZE.
    pub(super) fn analyze(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::ANALYZE)?;
        self.words(&["verbose"]);
        if self.at(&Token::EOF) {
            return Ok(Statement::Analyze(Vec::new()));
        }
        Ok(Statement::Analyze(self.comma(Self::object_name)?))
    }

    /// The first word starts no statement of ours: SQL we do not have, or no SQL.
    pub(super) fn unknown_statement(&self, word: &str) -> Fault {
        const KNOWN: &[(&str, Option<&str>)] = &[
            ("ATTACH", None),
            ("CALL", None),
            ("CLUSTER", None),
            ("COMMENT", None),
            (
                "COPY",
                Some("use .import in the shell, or INSERT in one transaction"),
            ),
            (
                "DEALLOCATE",
                Some("prepared statements are made through the API"),
            ),
            ("DETACH", None),
            ("DISCARD", Some("use RESET ALL")),
            ("DO", None),
            (
                "EXECUTE",
                Some("prepared statements are made through the API"),
            ),
            ("FLUSH", None),
            ("GRANT", None),
            ("LISTEN", Some("use SUBSCRIBE TO a table or view")),
            ("LOAD", None),
            (
                "LOCK",
                Some("nothing needs locking: transactions are serializable"),
            ),
            ("MERGE", Some("use INSERT … ON CONFLICT DO UPDATE")),
            (
                "NOTIFY",
                Some("insert a row into a table others subscribe to"),
            ),
            ("PRAGMA", Some("use SET and SHOW")),
            (
                "PREPARE",
                Some("prepared statements are made through the API"),
            ),
            ("REASSIGN", None),
            ("REVOKE", None),
            ("SECURITY", None),
            ("UNLISTEN", None),
            ("USE", None),
        ];
        match KNOWN.iter().find(|(known, _)| *known == word) {
            Some((known, hint)) => self.unsupported(known, *hint),
            None => self.unexpected("a statement"),
        }
    }
}

fn is_off(value: &str) -> bool {
    let value = value.trim_matches('\'').to_ascii_lowercase();
    matches!(value.as_str(), "off" | "false" | "0" | "no")
}
