//! The names of a document's fields as the keys of Rust maps: text, or what has one plain text (numbers, BOOL, enums).

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Impossible, Serialize, Serializer};
use tailwater_proto::EcoString;

use super::error::{Result, SerdeError};

/// Writes a map's key as a field name.
#[derive(Clone, Copy)]
pub(super) struct KeySerializer;

fn no_text(kind: &str) -> SerdeError {
    SerdeError::new(format_args!(
        "{kind} cannot be the key of a map: field names are text; use text, numbers or plain enums"
    ))
}

macro_rules! plain_keys {
    ($($name:ident: $ty:ty),*) => {$(
        fn $name(self, key: $ty) -> Result<EcoString> {
            Ok(ecow::eco_format!("{key}"))
        }
    )*};
}

macro_rules! no_keys {
    ($($name:ident($($arg:ty),*) -> $ok:ty: $kind:literal;)*) => {$(
        fn $name(self, $(_: $arg),*) -> Result<$ok> {
            Err(no_text($kind))
        }
    )*};
}

type None = Impossible<EcoString, SerdeError>;

impl Serializer for KeySerializer {
    type Ok = EcoString;
    type Error = SerdeError;
    type SerializeSeq = None;
    type SerializeTuple = None;
    type SerializeTupleStruct = None;
    type SerializeTupleVariant = None;
    type SerializeMap = None;
    type SerializeStruct = None;
    type SerializeStructVariant = None;

    plain_keys!(
        serialize_bool: bool, serialize_char: char,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128
    );

    no_keys! {
        serialize_f32(f32) -> EcoString: "a floating-point number";
        serialize_f64(f64) -> EcoString: "a floating-point number";
        serialize_bytes(&[u8]) -> EcoString: "a byte string";
        serialize_none() -> EcoString: "None";
        serialize_unit() -> EcoString: "()";
        serialize_unit_struct(&'static str) -> EcoString: "a unit struct";
        serialize_seq(Option<usize>) -> None: "a sequence";
        serialize_tuple(usize) -> None: "a tuple";
        serialize_tuple_struct(&'static str, usize) -> None: "a tuple";
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> None: "an enum with data";
        serialize_map(Option<usize>) -> None: "a map";
        serialize_struct(&'static str, usize) -> None: "a struct";
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> None: "an enum with data";
    }

    fn serialize_str(self, key: &str) -> Result<EcoString> {
        Ok(EcoString::from(key))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, key: &T) -> Result<EcoString> {
        key.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<EcoString> {
        Ok(EcoString::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        key: &T,
    ) -> Result<EcoString> {
        key.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _key: &T,
    ) -> Result<EcoString> {
        Err(no_text("an enum with data"))
    }
}

/// Reads a field name as a map's key or a struct's field.
#[derive(Clone, Copy)]
pub(super) struct KeyDeserializer<'v>(pub(super) &'v str);

macro_rules! parsed_keys {
    ($($name:ident => $visit:ident;)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            match self.0.parse() {
                Ok(key) => visitor.$visit(key),
                Err(_) => Err(de::Error::invalid_value(Unexpected::Str(self.0), &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyDeserializer<'de> {
    type Error = SerdeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_str(self.0)
    }

    parsed_keys! {
        deserialize_bool => visit_bool;
        deserialize_i8 => visit_i8;
        deserialize_i16 => visit_i16;
        deserialize_i32 => visit_i32;
        deserialize_i64 => visit_i64;
        deserialize_i128 => visit_i128;
        deserialize_u8 => visit_u8;
        deserialize_u16 => visit_u16;
        deserialize_u32 => visit_u32;
        deserialize_u64 => visit_u64;
        deserialize_u128 => visit_u128;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.0))
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}
