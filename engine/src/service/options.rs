//! `CallOptions`: what a caller says beside the message.

/// What a caller says beside the message: over gRPC, its metadata.
///
/// ```
/// let options = tailwater::service::CallOptions { limit: Some(10), ..Default::default() };
/// assert!(options.since.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    /// How many of the rows there are a stream begins with, the newest; the default is [`LIMIT`](Self::LIMIT).
    pub limit: Option<u64>,
    /// A token that came with an earlier message: the stream goes on behind it, without the rows there are.
    pub since: Option<String>,
    /// Each message of a stream carries its token in the field [`TOKEN_FIELD`](super::TOKEN_FIELD), where it has one.
    pub with_tokens: bool,
    /// A call that writes does so once, however often it is made under this key; of a stream, each message is counted.
    pub idempotency_key: Option<String>,
}

impl CallOptions {
    /// How many rows a stream begins with unless it is asked for more or less.
    ///
    /// ```
    /// assert_eq!(tailwater::service::CallOptions::LIMIT, 1_000);
    /// ```
    pub const LIMIT: u64 = 1_000;
}
