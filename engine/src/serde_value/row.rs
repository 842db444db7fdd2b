//! Reading a row: its columns by name as a struct or map, by position as a tuple, the only one as itself.

use std::iter::Peekable;

use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use tailwater_proto::{Document, Value};

use super::de::{Fields, ValueDeserializer, is_nothing, visit_elements};
use super::error::{Result, SerdeError};

/// The columns of a row as a Rust value, nothing copied on the way. Structs and maps take columns by name (columns
/// they do not know are passed over), tuples and sequences by position and all of them; a plain type (`i64`,
/// `String`, an enum) takes the only column.
///
/// # Errors
/// With the path of the column and field, as [`from_value`](super::from_value); two columns of one name that the
/// struct asks for (name one of them `AS` something else).
pub(crate) fn from_row<'v, T, N>(names: N, values: &'v [Value]) -> Result<T>
where
    T: Deserialize<'v>,
    N: IntoIterator<Item = &'v str>,
{
    T::deserialize(RowDeserializer {
        len: values.len(),
        fields: names.into_iter().zip(values).peekable(),
    })
}

/// The fields of a document as a Rust value, read as [`from_row`] reads the columns of a row: so the rows of a feed
/// are read like those of a query.
///
/// # Errors
/// As [`from_row`].
pub(crate) fn from_document<'v, T: Deserialize<'v>>(document: &'v Document) -> Result<T> {
    T::deserialize(RowDeserializer {
        len: document.len(),
        fields: document
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .peekable(),
    })
}

/// Reads one row: the names and values of so many columns.
struct RowDeserializer<I: Iterator> {
    len: usize,
    fields: Peekable<I>,
}

/// What the columns of a row are read under: one container deep.
const OUTER: ValueDeserializer<'static> = ValueDeserializer::outer();

impl<'v, I: Iterator<Item = (&'v str, &'v Value)>> RowDeserializer<I> {
    /// Reads the only column.
    fn only<V: Visitor<'v>>(
        mut self,
        visitor: V,
        read: impl FnOnce(ValueDeserializer<'v>, V) -> Result<V::Value>,
    ) -> Result<V::Value> {
        match (self.len, self.fields.next()) {
            (1, Some((name, value))) => {
                read(ValueDeserializer::new(value), visitor).map_err(|error| error.in_field(name))
            }
            _ => {
                let found = format!("row of {} columns", self.len);
                Err(de::Error::invalid_type(Unexpected::Other(&found), &visitor))
            }
        }
    }

    fn by_position<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value> {
        visit_elements(
            OUTER,
            self.fields.map(|(_, value)| value),
            self.len,
            visitor,
        )
    }

    fn by_name<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(Fields::new(OUTER, self.fields))
    }
}

macro_rules! only_column {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.only(visitor, |value, visitor| value.$name(visitor))
        }
    )*};
}

impl<'de, I: Iterator<Item = (&'de str, &'de Value)>> Deserializer<'de> for RowDeserializer<I> {
    type Error = SerdeError;

    only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_unit deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.by_name(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value> {
        match self.fields.peek() {
            Some((_, value)) if self.len == 1 && is_nothing(value) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.only(visitor, |value, visitor| {
            value.deserialize_unit_struct(name, visitor)
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.by_position(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.by_position(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.by_position(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.by_name(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.by_name(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.only(visitor, |value, visitor| {
            value.deserialize_enum(name, variants, visitor)
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}
