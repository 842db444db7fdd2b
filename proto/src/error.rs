//! What can go wrong between values and bytes or text: `DecodeError`, `EncodeError`, `TextError`.
//!
//! Damage names the byte offset and what stood to be expected there; what a user wrote names its SQLSTATE in
//! PostgreSQL's words. Nothing here knows files or tables: the caller adds where the bytes came from.

use std::fmt;

use crate::sqlstate;

/// Bytes that are not what a codec of this crate writes. Offsets count from the start of the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end where something was expected.
    Truncated {
        /// Where the missing bytes should begin.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The bytes at `offset` are not what was expected.
    Invalid {
        /// Where they stand.
        offset: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A format, codec or schema number this version does not know: written by a newer Tailwater, or damaged.
    UnknownVersion {
        /// Where the number stands.
        offset: usize,
        /// The number found.
        found: u8,
        /// What it numbers.
        expected: &'static str,
    },
    /// Values nested deeper than [`DEPTH_MAX`](crate::value_codec::DEPTH_MAX).
    TooDeep {
        /// Where the value too deep begins.
        offset: usize,
    },
    /// Bytes are left after the end.
    Trailing {
        /// Where they begin.
        offset: usize,
    },
}

impl DecodeError {
    /// The byte offset at which decoding stopped.
    #[must_use]
    pub const fn offset(&self) -> usize {
        match self {
            Self::Truncated { offset, .. }
            | Self::Invalid { offset, .. }
            | Self::UnknownVersion { offset, .. }
            | Self::TooDeep { offset }
            | Self::Trailing { offset } => *offset,
        }
    }

    /// The same error, its offset counted from `base` bytes earlier: for bytes that lie inside others.
    #[must_use]
    pub const fn at(self, base: usize) -> Self {
        match self {
            Self::Truncated { offset, expected } => Self::Truncated {
                offset: offset.saturating_add(base),
                expected,
            },
            Self::Invalid { offset, expected } => Self::Invalid {
                offset: offset.saturating_add(base),
                expected,
            },
            Self::UnknownVersion {
                offset,
                found,
                expected,
            } => Self::UnknownVersion {
                offset: offset.saturating_add(base),
                found,
                expected,
            },
            Self::TooDeep { offset } => Self::TooDeep {
                offset: offset.saturating_add(base),
            },
            Self::Trailing { offset } => Self::Trailing {
                offset: offset.saturating_add(base),
            },
        }
    }

    /// `XX001`, data_corrupted.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static str {
        sqlstate::DATA_CORRUPTED
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { offset, expected } => {
                write!(
                    f,
                    "bytes end at offset {offset} where {expected} was expected"
                )
            }
            Self::Invalid { offset, expected } => {
                write!(f, "bytes at offset {offset} are not {expected}")
            }
            Self::UnknownVersion {
                offset,
                found,
                expected,
            } => write!(
                f,
                "unknown {expected} {found} at offset {offset}: written by a newer version, or damaged"
            ),
            Self::TooDeep { offset } => {
                write!(f, "values nested too deeply at offset {offset}")
            }
            Self::Trailing { offset } => {
                write!(f, "bytes are left after the end at offset {offset}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// A value or record that has no stored form. All of them are limits, SQLSTATE `54000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Values nested deeper than [`DEPTH_MAX`](crate::value_codec::DEPTH_MAX): store parts of it in rows of their own.
    TooDeep,
    /// A row or record of more than 4 GiB: store large values as blobs, or commit in smaller parts.
    TooLarge,
    /// A NUMERIC whose scale is beyond ±[`NUMERIC_SCALE_MAX`](crate::value_codec::NUMERIC_SCALE_MAX).
    NumericScale,
    /// The columns of a row were not given in ascending order of their ids.
    ColumnOrder,
}

impl EncodeError {
    /// `54000`, program_limit_exceeded; `22003` for a number; `XX000` for a caller's mistake.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static str {
        match self {
            Self::TooDeep | Self::TooLarge => sqlstate::PROGRAM_LIMIT_EXCEEDED,
            Self::NumericScale => sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
            Self::ColumnOrder => sqlstate::INTERNAL_ERROR,
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooDeep => "value is nested more than 128 deep; store its inner parts as rows",
            Self::TooLarge => "row or record is larger than 4 GiB; store large values as blobs",
            Self::NumericScale => "value overflows numeric format",
            Self::ColumnOrder => "columns of a row were not given in ascending order of column id",
        })
    }
}

impl std::error::Error for EncodeError {}

/// Text that is not a value of the type it was read as, in PostgreSQL's words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextError {
    /// One of `22P02`, `22007`, `22008`, `22003`, `22001`, `0A000`.
    pub sqlstate: &'static str,
    /// What is wrong, quoting the text.
    pub message: String,
}

impl TextError {
    /// An error of that SQLSTATE.
    #[must_use]
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TextError {}
