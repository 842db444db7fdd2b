//! `Scopes`: what a caller may do, as a set of five, and which of them a text of SQL needs.
//!
//! What a statement asks for is the engine's to say (`tailwater::Access`). Next door: `token`, who has which.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use tailwater::Access;
use tailwater_proto::{sqlstate, v1};

use super::fault::Fault;
use super::token;

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(u8);

/// The scopes, their names and their places in messages. Bits are not stored anywhere.
const NAMES: [(Scopes, &str, v1::Scope); 5] = [
    (Scopes::READ, "read", v1::Scope::Read),
    (Scopes::WRITE, "write", v1::Scope::Write),
    (Scopes::SUBSCRIBE, "subscribe", v1::Scope::Subscribe),
    (Scopes::DDL, "ddl", v1::Scope::Ddl),
    (Scopes::ADMIN, "admin", v1::Scope::Admin),
];

impl Scopes {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const READ: Self = Self(1);
    pub(crate) const WRITE: Self = Self(2);
    pub(crate) const SUBSCRIBE: Self = Self(4);
    pub(crate) const DDL: Self = Self(8);
    pub(crate) const ADMIN: Self = Self(16);
    pub(crate) const ALL: Self = Self(31);

    /// Whether nothing is in it.
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of `needed` that are not here.
    const fn lacking(self, needed: Self) -> Self {
        Self(needed.0 & !self.0)
    }

    /// Refuses what needs more than there is.
    pub(crate) fn allow(self, needed: Self) -> Result<(), Fault> {
        let lacking = self.lacking(needed);
        if lacking.is_empty() {
            return Ok(());
        }
        Err(Fault::new(
            sqlstate::INSUFFICIENT_PRIVILEGE,
            format!("the access token lacks the scope {lacking}"),
        )
        .with_hint("use a token that has it: tailwater token create --scope"))
    }

    /// What the statements of a text need. Whatever names the table of access tokens is for administrators.
    pub(crate) fn of_access(access: &Access) -> Self {
        let asked = [
            (access.reads, Self::READ),
            (access.writes, Self::WRITE),
            (access.subscribes, Self::SUBSCRIBE),
            (access.defines, Self::DDL),
            (
                access.administers || access.mentions(token::TABLE),
                Self::ADMIN,
            ),
        ];
        let asked = asked.into_iter().filter(|(asked, _)| *asked);
        asked.fold(Self::NONE, |all, (_, scope)| all | scope)
    }

    /// Its scopes as messages have them.
    pub(crate) fn to_message(self) -> Vec<i32> {
        let held = NAMES.iter().filter(|(scope, ..)| self.0 & scope.0 != 0);
        held.map(|(.., message)| i32::from(*message)).collect()
    }

    /// The scopes of a message.
    pub(crate) fn from_message(scopes: &[i32]) -> Result<Self, Fault> {
        let scope = |number: &i32| {
            let known = NAMES
                .iter()
                .find(|(.., scope)| i32::from(*scope) == *number);
            known.map(|(scope, ..)| *scope).ok_or_else(|| {
                Fault::new(
                    sqlstate::INVALID_PARAMETER_VALUE,
                    format!("there is no scope of number {number}"),
                )
            })
        };
        scopes
            .iter()
            .map(scope)
            .try_fold(Self::NONE, |all, scope| Ok(all | scope?))
    }
}

impl BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Names with commas between them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = NAMES.iter().filter(|(scope, ..)| self.0 & scope.0 != 0);
        let names: Vec<&str> = held.map(|(_, name, _)| *name).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scope = |name: &str| {
            let known = NAMES.iter().find(|(_, known, _)| *known == name.trim());
            known.map(|(scope, ..)| *scope).ok_or_else(|| {
                format!("there is no scope {name}: they are read, write, subscribe, ddl and admin")
            })
        };
        text.split(',')
            .map(scope)
            .try_fold(Self::NONE, |all, scope| Ok(all | scope?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_names_and_a_text_needs_some_of_them() {
        let some: Scopes = "write, read".parse().unwrap();
        assert_eq!(some.to_string(), "read,write");
        assert_eq!(Scopes::from_message(&some.to_message()).unwrap(), some);
        assert!("reed".parse::<Scopes>().is_err());
        assert!(Scopes::from_message(&[0]).is_err());
        let needs = |sql| Scopes::of_access(&Access::of(sql).unwrap()).to_string();
        assert_eq!(needs("INSERT INTO t VALUES (1)"), "write");
        assert_eq!(needs("INSERT INTO t SELECT * FROM u"), "read,write");
        assert_eq!(needs("DELETE FROM tailwater_token"), "read,write,admin");
        assert_eq!(
            needs("CREATE VIEW v AS SELECT * FROM \"tailwater_token\""),
            "read,ddl,admin"
        );
        let refused = some.allow(Scopes::DDL | Scopes::READ).unwrap_err();
        assert!(refused.message().ends_with("scope ddl"), "{refused}");
        assert!(Scopes::ALL.allow(Scopes::ADMIN).is_ok());
    }
}
