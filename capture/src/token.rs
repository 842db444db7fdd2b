//! `Token`: where a consumer is in which feed, as opaque text it keeps and comes back with.
//!
//! It says which database, line of history, selection and principal it belongs to, so that it is never taken for a
//! position in another feed. Its checksum tells damage, not forgery: whoever serves tokens signs them (`server`).
//! The bytes are in PROTOCOL.md, persisted by consumers, never renumbered. Next door: `epoch`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tailwater_proto::Lsn;
use tailwater_wal::checksum;

use crate::base64url;
use crate::epoch::Lineage;
use crate::feed::Feed;
use crate::selection::Selection;

/// The first byte of a token. Persisted, never renumber.
const VERSION: u8 = 1;
/// Longer principals than any, so that a hostile text is not decoded at length.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// A position in a feed. Stored together with the effect of the event it came with, it makes that effect happen
/// exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which database.
    pub database_id: [u8; 16],
    /// The epoch the commit was written in.
    pub epoch: u32,
    /// The last commit the consumer has.
    pub lsn: Lsn,
    /// [`Selection::fingerprint`].
    pub selection: u64,
    /// See [`SubscribeRequest`](crate::SubscribeRequest).
    pub schema_version: u32,
    /// As whom.
    pub principal: Arc<str>,
    /// See [`SubscribeRequest`](crate::SubscribeRequest).
    pub policy_version: u64,
}

/// What a token has to agree with.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// What is subscribed to now.
    pub selection: &'e Selection,
    /// Its schema version now.
    pub schema_version: u32,
    /// Who subscribes.
    pub principal: &'e str,
    /// The version of what they may see now.
    pub policy_version: u64,
}

/// Why a token is no position here. All but `Damaged` and `Future` are mended by a new snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a token, or not a whole one.
    Damaged,
    /// Written by a newer version.
    UnknownVersion {
        /// Its first byte.
        found: u8,
    },
    /// It belongs to another database.
    WrongDatabase,
    /// It belongs to another selection.
    WrongSelection,
    /// It belongs to another principal.
    WrongPrincipal,
    /// What is selected has another shape now.
    SchemaChanged,
    /// What the principal may see has changed.
    PolicyChanged,
    /// It comes from a line of history that ended: its commit was taken back by a crash or a fail-over.
    Forked {
        /// The first commit of the line that went on.
        at: Lsn,
    },
    /// This feed has not come that far: a replica may wait.
    Future {
        /// How far it has come.
        newest: Lsn,
    },
    /// What follows it is no longer kept.
    Released {
        /// The least position from which deltas can be had.
        oldest: Lsn,
    },
}

impl Token {
    /// Whether a subscription with these properties can go on here; the position to give to
    /// [`Start::After`](crate::Start::After).
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, feed: &Feed, expected: &Expected<'_>) -> Result<Lsn, TokenError> {
        if self.database_id != feed.database_id() {
            return Err(TokenError::WrongDatabase);
        }
        if self.selection != expected.selection.fingerprint() {
            return Err(TokenError::WrongSelection);
        }
        if *self.principal != *expected.principal {
            return Err(TokenError::WrongPrincipal);
        }
        if self.policy_version != expected.policy_version {
            return Err(TokenError::PolicyChanged);
        }
        if self.schema_version != expected.schema_version {
            return Err(TokenError::SchemaChanged);
        }
        let newest = feed.published();
        match feed.with_epochs(|epochs| epochs.lineage(self.epoch, self.lsn)) {
            Lineage::Ours => {}
            Lineage::Forked { at } => return Err(TokenError::Forked { at }),
            Lineage::Unknown => return Err(TokenError::Future { newest }),
        }
        if self.lsn > newest {
            return Err(TokenError::Future { newest });
        }
        let oldest = feed.oldest();
        if self.lsn < oldest && feed.recent(self.lsn.next()).is_none() {
            return Err(TokenError::Released { oldest });
        }
        Ok(self.lsn)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(53 + self.principal.len());
        bytes.push(VERSION);
        bytes.extend(self.database_id);
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.lsn.0.to_be_bytes());
        bytes.extend(self.selection.to_be_bytes());
        bytes.extend(self.schema_version.to_be_bytes());
        bytes.extend(self.policy_version.to_be_bytes());
        bytes.extend(self.principal.as_bytes());
        bytes.extend(checksum(&bytes).to_be_bytes());
        f.write_str(&base64url::encode(&bytes))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TokenError::Damaged);
        }
        let bytes = base64url::decode(text).ok_or(TokenError::Damaged)?;
        let (body, sum) = bytes.split_last_chunk().ok_or(TokenError::Damaged)?;
        if checksum(body) != u32::from_be_bytes(*sum) {
            return Err(TokenError::Damaged);
        }
        let mut fields = Fields(body);
        match u8::from_be_bytes(fields.take()?) {
            VERSION => {}
            found => return Err(TokenError::UnknownVersion { found }),
        }
        Ok(Self {
            database_id: fields.take()?,
            epoch: u32::from_be_bytes(fields.take()?),
            lsn: Lsn(u64::from_be_bytes(fields.take()?)),
            selection: u64::from_be_bytes(fields.take()?),
            schema_version: u32::from_be_bytes(fields.take()?),
            policy_version: u64::from_be_bytes(fields.take()?),
            principal: std::str::from_utf8(fields.0)
                .map_err(|_| TokenError::Damaged)?
                .into(),
        })
    }
}

/// What is left of a token's bytes.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], TokenError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(TokenError::Damaged)?;
        self.0 = rest;
        Ok(*field)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => {
                f.write_str("the resume token is damaged; use it exactly as it was given")
            }
            Self::UnknownVersion { found } => {
                write!(
                    f,
                    "the resume token has version {found}, which a newer Tailwater wrote"
                )
            }
            Self::WrongDatabase => f.write_str("the resume token belongs to another database"),
            Self::WrongSelection => f.write_str("the resume token belongs to another selection"),
            Self::WrongPrincipal => f.write_str("the resume token belongs to another principal"),
            Self::SchemaChanged => {
                f.write_str("the selected objects changed their shape; take a new snapshot")
            }
            Self::PolicyChanged => {
                f.write_str("what the principal may see has changed; take a new snapshot")
            }
            Self::Forked { at } => write!(
                f,
                "the resume token's commit was taken back, history went another way from lsn {at}; \
                 take a new snapshot"
            ),
            Self::Future { newest } => {
                write!(
                    f,
                    "the resume token is ahead of this feed, which is at lsn {newest}; wait for it"
                )
            }
            Self::Released { oldest } => {
                write!(
                    f,
                    "deltas are kept from lsn {oldest} on only; take a new snapshot"
                )
            }
        }
    }
}

impl std::error::Error for TokenError {}
