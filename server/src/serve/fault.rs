//! `Fault`: what a call ends with when it does not end well: an SQLSTATE, words, a hint, and of a stream where to go on.
//! One shape for every front end; `status` says which code of which protocol it becomes.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tailwater::service::Stored;
use tailwater_proto::sqlstate;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::status::{self, Mapping};

/// The server is going down.
pub(crate) const ADMIN_SHUTDOWN: &str = "57P01";
/// A client does not keep up.
pub(crate) const TOO_SLOW: &str = "57P05";
/// Too many at once.
pub(crate) const TOO_MANY: &str = "53300";
/// Nobody we know.
pub(crate) const UNAUTHENTICATED: &str = "28000";
/// A message is no message.
pub(crate) const MALFORMED: &str = "22P03";

/// What a call fails with.
#[derive(Clone, Debug)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    mapping: &'static Mapping,
    sqlstate: &'static str,
    message: String,
    hint: Option<String>,
    position: Option<usize>,
    token: Option<Arc<str>>,
    stored: Option<Stored>,
}

impl Fault {
    /// A failure with its SQLSTATE and words.
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self::mapped(status::of(sqlstate), sqlstate, message.into())
    }

    fn mapped(mapping: &'static Mapping, sqlstate: &'static str, message: String) -> Self {
        Self(Box::new(Inner {
            mapping,
            sqlstate,
            message,
            hint: None,
            position: None,
            token: None,
            stored: None,
        }))
    }

    /// Says what of a stream of requests is done and durable.
    pub(crate) fn with_stored(mut self, stored: Stored) -> Self {
        self.0.stored = Some(stored);
        self
    }

    /// Says how to mend it.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says which part of a call failed.
    pub(crate) fn within(mut self, part: impl fmt::Display) -> Self {
        self.0.message = format!("{part}: {}", self.0.message);
        self
    }

    /// Says where a stream can be taken up again.
    pub(crate) fn with_token(mut self, token: Option<Arc<str>>) -> Self {
        self.0.token = token.or(self.0.token);
        self
    }

    /// There is no such method.
    pub(crate) fn no_method(path: &str) -> Self {
        let message = format!("there is no method {path}");
        Self::mapped(&status::NO_METHOD, sqlstate::FEATURE_NOT_SUPPORTED, message)
            .with_hint("server reflection lists the methods there are")
    }

    /// The method is another kind of call.
    pub(crate) fn wrong_kind(message: impl Into<String>) -> Self {
        Self::mapped(
            &status::NO_METHOD,
            sqlstate::FEATURE_NOT_SUPPORTED,
            message.into(),
        )
    }

    /// The call's deadline passed.
    pub(crate) fn deadline() -> Self {
        let message = "the call's deadline passed".to_owned();
        Self::mapped(&status::DEADLINE, sqlstate::QUERY_CANCELED, message)
    }

    /// The server is going down.
    pub(crate) fn shutting_down() -> Self {
        Self::new(ADMIN_SHUTDOWN, "the server is shutting down")
            .with_hint("try again elsewhere, or later; a stream goes on after its token")
    }

    /// A call was begun, and its request did not come.
    pub(crate) fn late_request() -> Self {
        Self::new(TOO_SLOW, "the request did not come for too long")
            .with_hint("--slow-client is the bound")
    }

    /// A message that does not decode.
    pub(crate) fn malformed(error: &dyn fmt::Display) -> Self {
        Self::new(MALFORMED, format!("the message cannot be decoded: {error}"))
    }

    pub(crate) fn code(&self) -> tonic::Code {
        self.0.mapping.code
    }

    pub(crate) fn http(&self) -> u16 {
        self.0.mapping.http
    }

    pub(crate) fn sqlstate(&self) -> &'static str {
        self.0.sqlstate
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    pub(crate) fn position(&self) -> Option<usize> {
        self.0.position
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.0.token.as_deref()
    }

    /// The body of an HTTP answer, or of a stream's last event.
    pub(crate) fn to_json(&self) -> Json {
        let mut object = json!({
            "code": status::name(self.code()),
            "sqlstate": self.sqlstate(),
            "message": self.message(),
        });
        if let Some(object) = object.as_object_mut() {
            let rest = [
                ("hint", self.hint().map(Json::from)),
                ("position", self.position().map(Json::from)),
                ("token", self.token().map(Json::from)),
                (
                    "stored",
                    self.0.stored.map(|stored| Json::from(stored.count)),
                ),
                ("lsn", self.0.stored.map(|stored| Json::from(stored.lsn.0))),
            ];
            let rest = rest
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)));
            object.extend(rest.map(|(name, value)| (name.to_owned(), value)));
        }
        object
    }

    /// The status of a gRPC call, with what it does not have a place for as metadata.
    pub(crate) fn to_status(&self) -> tonic::Status {
        let mut metadata = MetadataMap::new();
        let position = self.position().map(|position| position.to_string());
        let stored = self.0.stored.map(|stored| stored.count.to_string());
        let lsn = self.0.stored.map(|stored| stored.lsn.to_string());
        let entries = [
            ("tailwater-stored", stored.as_deref()),
            ("tailwater-lsn", lsn.as_deref()),
            ("tailwater-sqlstate", Some(self.sqlstate())),
            ("tailwater-hint", self.hint()),
            ("tailwater-position", position.as_deref()),
            ("tailwater-token", self.token()),
        ];
        for (name, value) in entries {
            if let Some(Ok(value)) = value.map(|text| MetadataValue::try_from(plain(text))) {
                metadata.insert(name, value);
            }
        }
        tonic::Status::with_metadata(self.code(), self.message(), metadata)
    }
}

/// A text as metadata takes it: other characters than plain ones as a percent sign and two digits for each byte.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => plain.push(char::from(byte)),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    plain
}

impl From<tailwater::Error> for Fault {
    fn from(error: tailwater::Error) -> Self {
        let mut own = Self::new(error.sqlstate(), error.message());
        own.0.hint = error.hint().map(str::to_owned);
        own.0.position = error.position();
        own
    }
}

impl From<prost::DecodeError> for Fault {
    fn from(error: prost::DecodeError) -> Self {
        Self::malformed(&error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message(), self.sqlstate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_tells_the_same() {
        let error = tailwater::Database::memory()
            .and_then(|db| db.exec("SELECT nopé", ()).map(drop))
            .unwrap_err();
        let fault = Fault::from(error)
            .with_token(Some("abc".into()))
            .with_token(None);
        let json = fault.to_json();
        assert_eq!(json["code"], "INVALID_ARGUMENT");
        assert_eq!(
            (&json["sqlstate"], &json["token"]),
            (&"42703".into(), &"abc".into())
        );
        assert_eq!(json["position"], 7);
        let status = fault.to_status();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(
            status.metadata().get("tailwater-sqlstate").unwrap(),
            "42703"
        );
        assert_eq!(status.metadata().get("tailwater-token").unwrap(), "abc");
        assert_eq!(plain("né%"), "n%C3%A9%25");
    }
}
