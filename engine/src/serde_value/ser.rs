//! Writing: any `Serialize` as a [`Value`], in the shapes serde_json gives it.

use std::collections::HashMap;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use tailwater_proto::value_codec::DEPTH_MAX;
use tailwater_proto::{BigDecimal, Document, EcoString, Value};

use super::error::{Result, SerdeError};
use super::key::KeySerializer;

/// Documents with more fields look names up instead of comparing them one by one.
const FIELDS_SCANNED_MAX: usize = 16;
/// Elements that room is made for on a type's word alone.
const CAPACITY_MAX: usize = 1024;

/// A Rust value as an SQL value: structs and maps are documents, sequences arrays, `None` and `()` NULL, enums as
/// serde_json writes them (`"Paid"`, `{"Refused": {...}}`). Integers beyond 64 bits with sign are NUMERIC, `f32` is
/// REAL, bytes (`serde_bytes`) are BYTEA. Of map entries of one name the last counts, in the place of the first.
///
/// # Errors
/// With the path of the field: map keys that have no text, nesting beyond 128, what the type itself refuses.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    value.serialize(ValueSerializer { depth: 0 })
}

/// A Rust value to be bound as a document: structs and maps are documents, sequences arrays, `None` and `()` NULL,
/// enums as serde_json writes them (`"Paid"`, `{"Refused": {...}}`). Integers beyond 64 bits with sign are NUMERIC,
/// `f32` is REAL, bytes (`serde_bytes`) are BYTEA. Of map entries of one name the last counts, in the place of the
/// first.
///
/// ```
/// use tailwater::{Ser, ToValue};
///
/// #[derive(serde::Serialize)]
/// struct Order { id: i64, tags: Vec<String>, note: Option<String> }
///
/// # fn main() -> tailwater::Result<()> {
/// let order = Order { id: 7, tags: vec!["new".into()], note: None };
/// assert_eq!(Ser(order).to_value()?.to_string(), r#"{"id": 7, "tags": ["new"], "note": null}"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ser<T>(pub T);

/// Wraps a Rust value so that it can be bound to one parameter: see [`Ser`] for what becomes of it.
///
/// ```
/// use tailwater::{Database, params, ser};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// let tags = ["new", "gift"];
/// let second: String = db.query("SELECT (?)[1]", params![ser(&tags)])?.scalar()?;
/// assert_eq!(second, "gift");
/// # Ok(())
/// # }
/// ```
pub const fn ser<T: Serialize + ?Sized>(value: &T) -> Ser<&T> {
    Ser(value)
}

/// Writes one value, `depth` containers deep.
#[derive(Clone, Copy)]
struct ValueSerializer {
    depth: usize,
}

impl ValueSerializer {
    /// The serializer of what a container holds.
    fn inner(self) -> Result<Self> {
        if self.depth >= DEPTH_MAX {
            return Err(SerdeError::too_deep());
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }

    fn elements(self, len: usize, variant: Option<&'static str>) -> Result<Elements> {
        let mut inner = self.inner()?;
        if variant.is_some() {
            inner = inner.inner()?;
        }
        Ok(Elements {
            inner,
            variant,
            elements: Vec::with_capacity(len.min(CAPACITY_MAX)),
        })
    }

    fn fields(self, len: usize, variant: Option<&'static str>) -> Result<Fields> {
        let mut inner = self.inner()?;
        if variant.is_some() {
            inner = inner.inner()?;
        }
        Ok(Fields {
            inner,
            variant,
            key: None,
            fields: Vec::with_capacity(len.min(CAPACITY_MAX)),
            places: HashMap::new(),
        })
    }
}

/// A document with the one field that names an enum's variant.
fn in_variant(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        None => value,
        Some(name) => Value::document([(EcoString::from(name), value)].into_iter().collect()),
    }
}

impl Serializer for ValueSerializer {
    type Ok = Value;
    type Error = SerdeError;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Elements;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    fn serialize_bool(self, v: bool) -> Result<Value> {
        Ok(Value::Bool(v))
    }

    fn serialize_i8(self, v: i8) -> Result<Value> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_i16(self, v: i16) -> Result<Value> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_i32(self, v: i32) -> Result<Value> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_i64(self, v: i64) -> Result<Value> {
        Ok(Value::Int(v))
    }

    fn serialize_i128(self, v: i128) -> Result<Value> {
        Ok(i64::try_from(v).map_or_else(|_| Value::numeric(BigDecimal::from(v)), Value::Int))
    }

    fn serialize_u8(self, v: u8) -> Result<Value> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_u16(self, v: u16) -> Result<Value> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_u32(self, v: u32) -> Result<Value> {
        Ok(Value::Int(v.into()))
    }

    fn serialize_u64(self, v: u64) -> Result<Value> {
        Ok(i64::try_from(v).map_or_else(|_| Value::numeric(BigDecimal::from(v)), Value::Int))
    }

    fn serialize_u128(self, v: u128) -> Result<Value> {
        Ok(i64::try_from(v).map_or_else(|_| Value::numeric(BigDecimal::from(v)), Value::Int))
    }

    fn serialize_f32(self, v: f32) -> Result<Value> {
        Ok(Value::Real(v))
    }

    fn serialize_f64(self, v: f64) -> Result<Value> {
        Ok(Value::Double(v))
    }

    fn serialize_char(self, v: char) -> Result<Value> {
        Ok(Value::text(v.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, v: &str) -> Result<Value> {
        Ok(Value::text(v))
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<Value> {
        Ok(Value::from(v))
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value> {
        Ok(Value::text(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        let value = value
            .serialize(self.inner()?)
            .map_err(|error| error.in_field(variant))?;
        Ok(in_variant(Some(variant), value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements> {
        self.elements(len.unwrap_or(0), None)
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements> {
        self.elements(len, None)
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Elements> {
        self.elements(len, None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements> {
        self.elements(len, Some(variant))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Fields> {
        self.fields(len.unwrap_or(0), None)
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Fields> {
        self.fields(len, None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Fields> {
        self.fields(len, Some(variant))
    }
}

/// An array in the making.
struct Elements {
    inner: ValueSerializer,
    variant: Option<&'static str>,
    elements: Vec<Value>,
}

impl Elements {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let element = value.serialize(self.inner).map_err(|error| {
            let error = error.in_element(self.elements.len());
            match self.variant {
                Some(variant) => error.in_field(variant),
                None => error,
            }
        })?;
        self.elements.push(element);
        Ok(())
    }

    fn finish(self) -> Value {
        in_variant(self.variant, Value::array(self.elements))
    }
}

macro_rules! serialize_elements {
    ($($of:ident::$push:ident),*) => {$(
        impl $of for Elements {
            type Ok = Value;
            type Error = SerdeError;

            fn $push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.push(value)
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

serialize_elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// A document in the making.
struct Fields {
    inner: ValueSerializer,
    variant: Option<&'static str>,
    key: Option<EcoString>,
    fields: Vec<(EcoString, Value)>,
    /// Where each name is, kept only once there are more than are compared one by one.
    places: HashMap<EcoString, usize>,
}

impl Fields {
    fn value<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<Value> {
        value.serialize(self.inner).map_err(|error| {
            let error = error.in_field(name);
            match self.variant {
                Some(variant) => error.in_field(variant),
                None => error,
            }
        })
    }

    /// Sets an entry of a map, whose names (flattened ones above all) may come twice.
    fn set(&mut self, name: EcoString, value: Value) {
        let next = self.fields.len();
        let place = if next <= FIELDS_SCANNED_MAX {
            self.fields.iter().position(|(field, _)| *field == name)
        } else {
            if self.places.is_empty() {
                let names = self.fields.iter().map(|(name, _)| name.clone());
                self.places = names.zip(0..).collect();
            }
            let place = *self.places.entry(name.clone()).or_insert(next);
            (place < next).then_some(place)
        };
        match place.and_then(|place| self.fields.get_mut(place)) {
            Some((_, old)) => *old = value,
            None => self.fields.push((name, value)),
        }
    }

    fn finish(self) -> Value {
        let document: Document = self.fields.into_iter().collect();
        in_variant(self.variant, Value::document(document))
    }
}

impl SerializeMap for Fields {
    type Ok = Value;
    type Error = SerdeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key.serialize(KeySerializer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let Some(name) = self.key.take() else {
            return Err(SerdeError::new(
                "a map's value was written before its key: mend its Serialize",
            ));
        };
        let value = self.value(&name, value)?;
        self.set(name, value);
        Ok(())
    }

    fn end(self) -> Result<Value> {
        Ok(self.finish())
    }
}

macro_rules! serialize_fields {
    ($($of:ident),*) => {$(
        impl $of for Fields {
            type Ok = Value;
            type Error = SerdeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<()> {
                let value = self.value(name, value)?;
                self.set(EcoString::from(name), value);
                Ok(())
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        }
    )*};
}

serialize_fields!(SerializeStruct, SerializeStructVariant);
