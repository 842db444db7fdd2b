//! Reading: a [`Value`] as any `Deserialize`, borrowing its text and bytes.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use tailwater_proto::Value;
use tailwater_proto::value_codec::DEPTH_MAX;

use super::error::{Result, SerdeError};
use super::key::KeyDeserializer;
use super::number;

/// An SQL value as a Rust value. Documents are structs and maps, arrays sequences, NULL is `None`; JSON is what it
/// holds. Dates, times, intervals and UUIDs are read as their PostgreSQL text where text is asked for, and as nothing
/// else; NUMERIC as its text, as an integer if it is whole, as the nearest floating-point number. An integer is
/// never rounded. `Vec<u8>` reads BYTEA, and a UUID where bytes are asked for.
///
/// # Errors
/// With the path of the field: another kind than the type asks for, a number that does not fit, a missing field.
///
/// ```
/// use tailwater::{Database, Document, Value, from_value};
///
/// #[derive(serde::Deserialize)]
/// struct Order { items: Vec<Item> }
/// #[derive(serde::Deserialize, Debug)]
/// struct Item { price: f64 }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Database::memory()?;
/// let read = |sql| db.query(sql, ())?.scalar::<Value>();
/// let order: Order = from_value(&read("SELECT {items: [{price: 1.5}]}")?)?;
/// assert_eq!(order.items[0].price, 1.5);
/// let wrong = read("SELECT {items: [{price: 1.5}, {price: 'two'}]}")?;
/// let error = from_value::<Order>(&wrong).err().unwrap();
/// assert_eq!(error.to_string(), "items[1].price: invalid type: string \"two\", expected f64");
/// # Ok(())
/// # }
/// ```
pub fn from_value<'v, T: Deserialize<'v>>(value: &'v Value) -> Result<T> {
    T::deserialize(ValueDeserializer::new(value))
}

/// What a value of another kind than asked for is answered with.
pub(super) fn mismatch(value: &Value, expected: &dyn de::Expected) -> SerdeError {
    let found = match value {
        Value::Null => Unexpected::Other("NULL"),
        Value::Bool(truth) => Unexpected::Bool(*truth),
        Value::Int(n) => Unexpected::Signed(*n),
        Value::Real(x) => Unexpected::Float(f64::from(*x)),
        Value::Double(x) => Unexpected::Float(*x),
        Value::Text(text) => Unexpected::Str(text),
        Value::Bytes(_) => Unexpected::Other("byte string"),
        Value::Json(_) => Unexpected::Other("JSON null"),
        Value::Array(_) => Unexpected::Other("array"),
        Value::Document(_) => Unexpected::Other("document"),
        Value::Numeric(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampTz(_)
        | Value::Interval(_)
        | Value::Uuid(_) => {
            let text = format!("{} `{value}`", value.kind_name());
            return de::Error::invalid_type(Unexpected::Other(&text), expected);
        }
    };
    de::Error::invalid_type(found, expected)
}

/// Whether the value stands for none: NULL, or `null` in JSON.
pub(super) fn is_nothing(value: &Value) -> bool {
    // After unwrapping, only JSON null is still wrapped.
    matches!(value.unwrap_json(), Value::Null | Value::Json(_))
}

/// Reads one value, `depth` containers deep. Never JSON, unless it is JSON null.
#[derive(Clone, Copy)]
pub(super) struct ValueDeserializer<'v> {
    value: &'v Value,
    depth: usize,
}

impl<'v> ValueDeserializer<'v> {
    pub(super) fn new(value: &'v Value) -> Self {
        Self {
            value: value.unwrap_json(),
            depth: 0,
        }
    }

    /// The place above the columns of a row.
    pub(super) const fn outer() -> Self {
        Self {
            value: &Value::Null,
            depth: 0,
        }
    }

    fn inner(self, value: &'v Value) -> Result<Self> {
        if self.depth >= DEPTH_MAX {
            return Err(SerdeError::too_deep());
        }
        Ok(Self {
            value: value.unwrap_json(),
            depth: self.depth + 1,
        })
    }

    /// Reads text, if the value has one that loses nothing.
    fn visit_text<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Numeric(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Interval(_)
            | Value::Uuid(_) => visitor.visit_string(self.value.to_string()),
            _ => Err(mismatch(self.value, &visitor)),
        }
    }

    fn visit_array<V: Visitor<'v>>(self, elements: &'v [Value], visitor: V) -> Result<V::Value> {
        visit_elements(self, elements.iter(), elements.len(), visitor)
    }

    fn visit_fields<V: Visitor<'v>>(
        self,
        document: &'v tailwater_proto::Document,
        visitor: V,
    ) -> Result<V::Value> {
        let fields = document.iter().map(|(name, value)| (name.as_str(), value));
        visitor.visit_map(Fields::new(self, fields))
    }
}

macro_rules! integers {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            number::visit_integer(self.value, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for ValueDeserializer<'de> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Null | Value::Json(_) => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Int(n) => visitor.visit_i64(*n),
            Value::Real(x) => visitor.visit_f32(*x),
            Value::Double(x) => visitor.visit_f64(*x),
            Value::Numeric(number) => number::visit_numeric(self.value, number, visitor),
            Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_)
            | Value::TimestampTz(_)
            | Value::Interval(_)
            | Value::Uuid(_)
            | Value::Text(_) => self.visit_text(visitor),
            Value::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Value::Array(elements) => self.visit_array(elements, visitor),
            Value::Document(document) => self.visit_fields(document, visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Bool(truth) => visitor.visit_bool(*truth),
            other => Err(mismatch(other, &visitor)),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        number::visit_f32(self.value, visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        number::visit_f64(self.value, visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Value::Uuid(bytes) => visitor.visit_borrowed_bytes(bytes),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Array(elements) => self.visit_array(elements, visitor),
            other => Err(mismatch(other, &visitor)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if is_nothing(self.value) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if is_nothing(self.value) {
            visitor.visit_unit()
        } else {
            Err(mismatch(self.value, &visitor))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Array(elements) => self.visit_array(elements, visitor),
            Value::Bytes(bytes) => {
                let mut bytes =
                    de::value::SeqDeserializer::<_, SerdeError>::new(bytes.iter().copied());
                let read = visitor.visit_seq(&mut bytes)?;
                bytes.end()?;
                Ok(read)
            }
            other => Err(mismatch(other, &visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.value {
            Value::Document(document) => self.visit_fields(document, visitor),
            other => Err(mismatch(other, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.value {
            Value::Document(document) => self.visit_fields(document, visitor),
            Value::Array(elements) => self.visit_array(elements, visitor),
            other => Err(mismatch(other, &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.value {
            Value::Text(name) => visitor.visit_enum(BorrowedStrDeserializer::new(name)),
            Value::Document(document) => {
                let mut fields = document.iter();
                match (fields.next(), fields.next()) {
                    (Some((name, value)), None) => visitor.visit_enum(Variant {
                        outer: self,
                        name,
                        value,
                    }),
                    _ => Err(de::Error::invalid_value(
                        Unexpected::Other("document"),
                        &"a document of one field, named as the variant",
                    )),
                }
            }
            other => Err(mismatch(other, &visitor)),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.visit_text(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }
}

/// Reads so many values by position; all of them must be taken.
pub(super) fn visit_elements<'v, V: Visitor<'v>>(
    outer: ValueDeserializer<'v>,
    values: impl Iterator<Item = &'v Value>,
    len: usize,
    visitor: V,
) -> Result<V::Value> {
    let mut elements = Elements {
        outer,
        rest: values,
        next: 0,
        len,
    };
    let read = visitor.visit_seq(&mut elements)?;
    if elements.next < len {
        let expected = format!("{} of them", elements.next);
        return Err(de::Error::invalid_length(len, &expected.as_str()));
    }
    Ok(read)
}

/// Values by position.
struct Elements<'v, I> {
    outer: ValueDeserializer<'v>,
    rest: I,
    next: usize,
    len: usize,
}

impl<'de, I: Iterator<Item = &'de Value>> SeqAccess<'de> for &mut Elements<'de, I> {
    type Error = SerdeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(value) = self.rest.next() else {
            return Ok(None);
        };
        let place = self.next;
        self.next += 1;
        self.outer
            .inner(value)
            .and_then(|inner| seed.deserialize(inner))
            .map(Some)
            .map_err(|error| error.in_element(place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len.saturating_sub(self.next))
    }
}

/// Values by name: the fields of a document, the columns of a row.
pub(super) struct Fields<'v, I> {
    outer: ValueDeserializer<'v>,
    rest: I,
    value: Option<(&'v str, &'v Value)>,
}

impl<'v, I> Fields<'v, I> {
    pub(super) const fn new(outer: ValueDeserializer<'v>, fields: I) -> Self {
        Self {
            outer,
            rest: fields,
            value: None,
        }
    }
}

impl<'de, I: Iterator<Item = (&'de str, &'de Value)>> MapAccess<'de> for Fields<'de, I> {
    type Error = SerdeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((name, value));
        seed.deserialize(KeyDeserializer(name))
            .map(Some)
            .map_err(|error| error.in_field(name))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        let Some((name, value)) = self.value.take() else {
            return Err(SerdeError::new(
                "a map's value was read before its key: mend its Deserialize",
            ));
        };
        self.outer
            .inner(value)
            .and_then(|inner| seed.deserialize(inner))
            .map_err(|error| error.in_field(name))
    }

    fn size_hint(&self) -> Option<usize> {
        self.rest.size_hint().1
    }
}

/// An enum's variant with data: a document's only field.
struct Variant<'v> {
    outer: ValueDeserializer<'v>,
    name: &'v str,
    value: &'v Value,
}

impl<'v> Variant<'v> {
    fn read<T>(self, read: impl FnOnce(ValueDeserializer<'v>) -> Result<T>) -> Result<T> {
        self.outer
            .inner(self.value)
            .and_then(read)
            .map_err(|error| error.in_field(self.name))
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = SerdeError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self)> {
        let name: BorrowedStrDeserializer<'de, SerdeError> =
            BorrowedStrDeserializer::new(self.name);
        Ok((seed.deserialize(name.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = SerdeError;

    fn unit_variant(self) -> Result<()> {
        self.read(<()>::deserialize)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        self.read(|value| seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.read(|value| value.deserialize_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.read(|value| value.deserialize_struct("", fields, visitor))
    }
}
