//! From a module's text to its plan, in the order it happens: what the messages are for, the tables, then the methods.
//!
//! Next door: `message`, `table` and `method`, which do the parts; `plan`, which is what comes of it.

use super::plan::{ModulePlan, TablePlan, ValuePlan};
use super::source::ModuleSource;
use super::{message, method, table};
use crate::error::{Error, Result};

/// Messages, and methods, of a module.
const OBJECTS_MAX: usize = 2_000;

impl ModuleSource {
    /// What the module would be here.
    ///
    /// # Errors
    /// As [`descriptor_set`](Self::descriptor_set); `42P16` for options that name what is not there, `42P07` for two messages
    /// with one table's name.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let plan = ModuleSource::new("shop.proto", r#"
    ///     syntax = "proto3";
    ///     message Item { string id = 1; repeated string tags = 2; optional int64 cents = 3; }"#)
    ///     .plan()?;
    /// assert_eq!(
    ///     plan.sql(),
    ///     "CREATE TABLE item (\n  id TEXT NOT NULL DEFAULT '',\n  tags TEXT[] NOT NULL DEFAULT '{}',\n  \
    ///      cents BIGINT,\n  PRIMARY KEY (id)\n);\n"
    /// );
    /// # Ok(())
    /// # }
    /// ```
    pub fn plan(&self) -> Result<ModulePlan> {
        let file = self.compile()?;
        let messages = message::all(&file);
        let methods: Vec<_> = file
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .collect();
        for (what, count) in [("messages", messages.len()), ("methods", methods.len())] {
            if count > OBJECTS_MAX {
                return Err(Error::statement(
                    "54000",
                    format!("the module has {count} {what}; {OBJECTS_MAX} are the most"),
                ));
            }
        }
        let roles = message::roles(&messages, &methods);
        let mut tables = Vec::new();
        let mut values = Vec::new();
        for message in &messages {
            match roles.get(message.full_name()) {
                Some(message::Role::Row(why)) => tables.push(table::of(message, why)?),
                Some(message::Role::Value(why)) => values.push(ValuePlan {
                    message: message.full_name().to_owned(),
                    why: why.clone(),
                }),
                None => {}
            }
        }
        check_names(&tables)?;
        let methods = methods
            .iter()
            .map(|method| method::of(method, &mut tables))
            .collect::<Result<_>>()?;
        table::name_indexes(&mut tables)?;
        Ok(ModulePlan {
            package: file.package_name().to_owned(),
            tables,
            values,
            methods,
        })
    }
}

fn check_names(tables: &[TablePlan]) -> Result<()> {
    for (at, table) in tables.iter().enumerate() {
        let earlier = tables
            .iter()
            .take(at)
            .find(|earlier| earlier.name == table.name);
        if let Some(earlier) = earlier {
            return Err(Error::statement(
                "42P07",
                format!(
                    "{} and {} would both be the table {}",
                    earlier.message, table.message, table.name
                ),
            )
            .with_hint("name one: option (tailwater.v1.table) = { name: \"another\" };"));
        }
    }
    Ok(())
}
