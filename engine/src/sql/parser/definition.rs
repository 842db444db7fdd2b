//! CREATE, ALTER and DROP of everything but a table's own columns: views, sequences, renames, truncation.
//! Reads text only; `table` next door reads columns, constraints and indexes.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::grammar::{Fault, Grammar};
use crate::sql::statement::{
    AlterAction, AlterSequence, AlterTable, AlterViewOptions, CreateSequence, CreateView, Drop,
    ObjectKind, Rename, SequenceOptions, Statement, Truncate,
};

impl Grammar<'_> {
    /// CREATE.
    pub(super) fn create(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::CREATE)?;
        let or_replace = self.words(&["or", "replace"]);
        let temporary = self.temporary();
        let unlogged = !temporary && self.words(&["unlogged"]);
        if !or_replace && self.words(&["table"]) {
            return self.create_table(temporary);
        }
        if !unlogged && self.words(&["view"]) {
            return self.create_view(false, temporary, or_replace);
        }
        if !temporary && !unlogged {
            if self.materialized() {
                self.expect_words(&["view"])?;
                return self.create_view(true, false, or_replace);
            }
            if self.words(&["module"]) {
                return self.create_module(or_replace);
            }
            if !or_replace {
                if self.words(&["unique", "index"]) {
                    return self.create_index(true);
                }
                if self.words(&["index"]) {
                    return self.create_index(false);
                }
                if self.words(&["sequence"]) {
                    return self.create_sequence();
                }
            }
        }
        match self.word_at(0) {
            Some(word) if CREATABLE.contains(&word.as_str()) => {
                let what = format!("CREATE {}", word.to_ascii_uppercase());
                Err(self.unsupported(&what, None))
            }
            _ => Err(self.unexpected("TABLE, INDEX, VIEW, MATERIALIZED VIEW, SEQUENCE or MODULE")),
        }
    }

    fn temporary(&mut self) -> bool {
        self.words(&["temp"]) || self.words(&["temporary"])
    }

    fn materialized(&mut self) -> bool {
        self.words(&["materialized"]) || self.words(&["materialised"])
    }

    fn create_view(
        &mut self,
        materialized: bool,
        temporary: bool,
        or_replace: bool,
    ) -> Result<Statement, Fault> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let columns = if self.at(&Token::LParen) {
            self.parens(Self::ident)?
        } else {
            Vec::new()
        };
        let options = self.with_options()?;
        self.expect_words(&["as"])?;
        let start = self.offset();
        let query = self.parser.parse_query()?;
        let query_range = start..self.offset_behind();
        let with_data = self.with_data();
        Ok(Statement::CreateView(Box::new(CreateView {
            name,
            materialized,
            temporary,
            or_replace,
            if_not_exists,
            columns,
            options,
            query,
            query_range,
            with_data,
        })))
    }

    fn create_sequence(&mut self) -> Result<Statement, Fault> {
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        let options = self.sequence_options()?;
        Ok(Statement::CreateSequence(Box::new(CreateSequence {
            name,
            if_not_exists,
            options,
        })))
    }

    /// Options of a sequence in any order, each once.
    pub(super) fn sequence_options(&mut self) -> Result<SequenceOptions, Fault> {
        let mut options = SequenceOptions::default();
        loop {
            let twice = if self.words(&["as"]) {
                options.data_type.replace(self.data_type()?).is_some()
            } else if self.words(&["increment"]) {
                self.words(&["by"]);
                options.increment.replace(self.signed()?).is_some()
            } else if self.words(&["no", "minvalue"]) {
                options.min.replace(None).is_some()
            } else if self.words(&["minvalue"]) {
                options.min.replace(Some(self.signed()?)).is_some()
            } else if self.words(&["no", "maxvalue"]) {
                options.max.replace(None).is_some()
            } else if self.words(&["maxvalue"]) {
                options.max.replace(Some(self.signed()?)).is_some()
            } else if self.words(&["start"]) {
                self.words(&["with"]);
                options.start.replace(self.signed()?).is_some()
            } else if self.words(&["restart"]) {
                options.restart.replace(self.restart()?).is_some()
            } else if self.words(&["cache"]) {
                options.cache.replace(self.signed()?).is_some()
            } else if self.words(&["no", "cycle"]) {
                options.cycle.replace(false).is_some()
            } else if self.words(&["cycle"]) {
                options.cycle.replace(true).is_some()
            } else if self.words(&["owned", "by"]) {
                let owner = if self.words(&["none"]) {
                    None
                } else {
                    Some(self.object_name()?)
                };
                options.owned_by.replace(owner).is_some()
            } else {
                return Ok(options);
            };
            if twice {
                return Err(self.refuse("an option of the sequence is given twice", "say it once"));
            }
        }
    }

    /// What follows RESTART: \[WITH\] n, or nothing.
    fn restart(&mut self) -> Result<Option<i64>, Fault> {
        let with = self.words(&["with"]);
        let number = with || matches!(self.parser.peek_token_ref().token, Token::Number(..));
        number.then(|| self.signed()).transpose()
    }

    fn object_kind(&mut self) -> Option<ObjectKind> {
        if self.materialized() {
            return self
                .words(&["view"])
                .then_some(ObjectKind::MaterializedView);
        }
        for (word, kind) in [
            ("table", ObjectKind::Table),
            ("view", ObjectKind::View),
            ("index", ObjectKind::Index),
            ("sequence", ObjectKind::Sequence),
            ("module", ObjectKind::Module),
        ] {
            if self.words(&[word]) {
                return Some(kind);
            }
        }
        None
    }

    /// The kind of object a statement is about, or why not.
    pub(super) fn expect_object_kind(&mut self, verb: &str) -> Result<ObjectKind, Fault> {
        if let Some(kind) = self.object_kind() {
            return Ok(kind);
        }
        match self.word_at(0) {
            Some(word) if CREATABLE.contains(&word.as_str()) => {
                let what = format!("{verb} {}", word.to_ascii_uppercase());
                Err(self.unsupported(&what, None))
            }
            _ => Err(self.unexpected("TABLE, INDEX, VIEW, MATERIALIZED VIEW, SEQUENCE or MODULE")),
        }
    }

    /// DROP.
    pub(super) fn drop_object(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::DROP)?;
        let kind = self.expect_object_kind("DROP")?;
        if kind == ObjectKind::Index {
            self.words(&["concurrently"]);
        }
        let if_exists = self.if_exists();
        let names = self.comma(Self::object_name)?;
        let cascade = self.cascade();
        Ok(Statement::Drop(Drop {
            kind,
            names,
            if_exists,
            cascade,
        }))
    }

    /// TRUNCATE.
    pub(super) fn truncate(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::TRUNCATE)?;
        self.words(&["table"]);
        self.words(&["only"]);
        let names = self.comma(Self::object_name)?;
        let restart_identity = self.words(&["restart", "identity"]);
        if !restart_identity {
            self.words(&["continue", "identity"]);
        }
        let cascade = self.cascade();
        Ok(Statement::Truncate(Truncate {
            names,
            restart_identity,
            cascade,
        }))
    }

    /// ALTER.
    pub(super) fn alter(&mut self) -> Result<Statement, Fault> {
        self.parser.expect_keyword_is(Keyword::ALTER)?;
        let kind = self.expect_object_kind("ALTER")?;
        let if_exists = self.if_exists();
        if kind == ObjectKind::Table {
            self.words(&["only"]);
            let name = self.object_name()?;
            let actions = self.comma(Self::alter_action)?;
            return Ok(Statement::AlterTable(Box::new(AlterTable {
                name,
                if_exists,
                actions,
            })));
        }
        let name = self.object_name()?;
        if self.words(&["rename", "to"]) {
            let to = self.ident()?;
            return Ok(Statement::Rename(Rename {
                kind,
                name,
                if_exists,
                to,
            }));
        }
        match kind {
            ObjectKind::Sequence => {
                let options = self.sequence_options()?;
                if options == SequenceOptions::default() {
                    return Err(self.unexpected("RENAME TO or an option of the sequence"));
                }
                Ok(Statement::AlterSequence(Box::new(AlterSequence {
                    name,
                    if_exists,
                    options,
                })))
            }
            ObjectKind::View | ObjectKind::MaterializedView if self.words(&["set"]) => {
                let materialized = kind == ObjectKind::MaterializedView;
                let options = self.option_list()?;
                Ok(Statement::AlterViewOptions(AlterViewOptions {
                    materialized,
                    name,
                    options,
                }))
            }
            _ => Err(self.unexpected("RENAME TO")),
        }
    }

    fn alter_action(&mut self) -> Result<AlterAction, Fault> {
        if self.words(&["rename"]) {
            return self.alter_rename();
        }
        if self.words(&["add"]) {
            if self.at_table_constraint() {
                return Ok(AlterAction::AddConstraint(self.table_constraint()?));
            }
            if !self.words(&["column"]) {
                self.words(&["field"]);
            }
            let if_not_exists = self.if_not_exists();
            let column = self.column_def()?;
            return Ok(AlterAction::AddColumn {
                if_not_exists,
                column,
            });
        }
        if self.words(&["drop"]) {
            let constraint = self.words(&["constraint"]);
            if !constraint {
                self.words(&["column"]);
            }
            let if_exists = self.if_exists();
            let name = self.ident()?;
            let cascade = self.cascade();
            return Ok(if constraint {
                AlterAction::DropConstraint {
                    name,
                    if_exists,
                    cascade,
                }
            } else {
                AlterAction::DropColumn {
                    name,
                    if_exists,
                    cascade,
                }
            });
        }
        if self.words(&["alter"]) {
            return self.alter_column();
        }
        if self.words(&["set"]) {
            return Ok(AlterAction::SetOptions(self.option_list()?));
        }
        Err(self.unexpected("RENAME, ADD, DROP, ALTER or SET"))
    }

    fn alter_rename(&mut self) -> Result<AlterAction, Fault> {
        if self.words(&["to"]) {
            return Ok(AlterAction::RenameTable(self.ident()?));
        }
        let constraint = self.words(&["constraint"]);
        if !constraint {
            self.words(&["column"]);
        }
        let from = self.ident()?;
        self.expect_words(&["to"])?;
        let to = self.ident()?;
        Ok(if constraint {
            AlterAction::RenameConstraint(from, to)
        } else {
            AlterAction::RenameColumn(from, to)
        })
    }

    fn alter_column(&mut self) -> Result<AlterAction, Fault> {
        self.words(&["column"]);
        let name = self.ident()?;
        if self.words(&["type"]) || self.words(&["set", "data", "type"]) {
            let data_type = self.data_type()?;
            let using = if self.words(&["using"]) {
                Some(self.expr()?)
            } else {
                None
            };
            return Ok(AlterAction::SetType {
                name,
                data_type,
                using,
            });
        }
        if self.words(&["set", "default"]) {
            return Ok(AlterAction::SetDefault(name, self.expr()?));
        }
        if self.words(&["drop", "default"]) {
            return Ok(AlterAction::DropDefault(name));
        }
        if self.words(&["restart"]) {
            return Ok(AlterAction::Restart(name, self.restart()?));
        }
        if self.words(&["set", "not", "null"]) {
            return Ok(AlterAction::SetNotNull(name));
        }
        if self.words(&["drop", "not", "null"]) {
            return Ok(AlterAction::DropNotNull(name));
        }
        Err(self
            .unexpected("TYPE, SET DEFAULT, DROP DEFAULT, SET NOT NULL, DROP NOT NULL or RESTART"))
    }
}

/// Kinds of objects SQL has and we do not, for an honest error.
const CREATABLE: &[&str] = &[
    "aggregate",
    "cast",
    "collation",
    "conversion",
    "database",
    "domain",
    "event",
    "extension",
    "foreign",
    "function",
    "group",
    "language",
    "operator",
    "policy",
    "procedure",
    "publication",
    "recursive",
    "role",
    "rule",
    "schema",
    "server",
    "statistics",
    "subscription",
    "tablespace",
    "text",
    "transform",
    "trigger",
    "type",
    "user",
    "virtual",
    "sink",
    "source",
    "connection",
    "secret",
    "owned",
    "unlogged",
    "routine",
];
