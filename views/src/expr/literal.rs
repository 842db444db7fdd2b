//! `Literal`: a constant in an expression, stored in plans as the hex of its value codec bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tailwater_proto::Value;

/// A constant.
#[derive(Clone, Debug)]
pub struct Literal(pub Value);

impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        format!("{:?}", self.0) == format!("{:?}", other.0)
    }
}

impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(
            "the value codec has not landed yet",
        ))
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(
            "the value codec has not landed yet",
        ))
    }
}
