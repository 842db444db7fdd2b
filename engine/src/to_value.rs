//! `ToValue` and `FromValue`: Rust values into SQL values and back.

use tailwater_proto::{BigDecimal, Document, EcoString, Interval, Value, sqlstate};

use crate::error::{Error, Result};

/// A Rust value that can be bound to a parameter.
///
/// ```
/// use tailwater::{Database, Result, ToValue, Value, params};
///
/// # fn main() -> tailwater::Result<()> {
/// enum Colour { Red, Green }
/// impl ToValue for Colour {
///     fn to_value(&self) -> Result<Value> {
///         Ok(Value::text(match self { Self::Red => "red", Self::Green => "green" }))
///     }
/// }
///
/// let db = Database::memory()?;
/// let same: bool = db.query("SELECT ? < ?", params![Colour::Green, Colour::Red])?.scalar()?;
/// assert!(same); // as texts
/// # Ok(())
/// # }
/// ```
pub trait ToValue {
    /// The SQL value.
    ///
    /// # Errors
    /// `22003` for integers beyond 64 bits with sign; what a serde value has no SQL form for.
    ///
    /// ```
    /// use tailwater::{ToValue, Value};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// assert_eq!(42_u64.to_value()?, Value::Int(42));
    /// assert!(None::<i64>.to_value()?.is_null());
    /// assert_eq!(u64::MAX.to_value().unwrap_err().sqlstate(), "22003");
    /// # Ok(())
    /// # }
    /// ```
    fn to_value(&self) -> Result<Value>;
}

/// A Rust value that can be read from a column.
///
/// ```
/// use tailwater::{Database, Error, FromValue, Result, Value};
///
/// # fn main() -> tailwater::Result<()> {
/// #[derive(Debug, PartialEq)]
/// enum Colour { Red, Green }
/// impl FromValue for Colour {
///     fn from_value(value: &Value) -> Result<Self> {
///         match value.as_text() {
///             Some("red") => Ok(Self::Red),
///             Some("green") => Ok(Self::Green),
///             _ => Err(Error::data("22P02", format!("{value} is no colour"))),
///         }
///     }
/// }
///
/// let db = Database::memory()?;
/// assert_eq!(db.query("SELECT 'red'", ())?.scalar::<Colour>()?, Colour::Red);
/// assert!(db.query("SELECT 'blue'", ())?.scalar::<Colour>().is_err());
/// # Ok(())
/// # }
/// ```
pub trait FromValue: Sized {
    /// The Rust value.
    ///
    /// # Errors
    /// `42804` if the kind does not fit, `22003` if the number does not.
    ///
    /// ```
    /// use tailwater::{FromValue, Value};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// assert_eq!(u8::from_value(&Value::Int(200))?, 200);
    /// assert_eq!(u8::from_value(&Value::Int(300)).unwrap_err().sqlstate(), "22003"); // never wrapped or cut
    /// assert_eq!(String::from_value(&Value::Int(300)).unwrap_err().sqlstate(), "42804");
    /// assert_eq!(Option::<i64>::from_value(&Value::Null)?, None);
    /// # Ok(())
    /// # }
    /// ```
    fn from_value(value: &Value) -> Result<Self>;
}

macro_rules! to_value {
    ($($ty:ty),*) => {$(
        impl ToValue for $ty {
            fn to_value(&self) -> Result<Value> {
                Ok(Value::from(self.clone()))
            }
        }
    )*};
}

to_value!(
    bool,
    i16,
    i32,
    i64,
    u8,
    u16,
    u32,
    f32,
    f64,
    String,
    EcoString,
    Vec<u8>,
    BigDecimal,
    Interval,
    Document
);

impl ToValue for Value {
    fn to_value(&self) -> Result<Value> {
        Ok(self.clone())
    }
}

impl ToValue for str {
    fn to_value(&self) -> Result<Value> {
        Ok(Value::text(self))
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Result<Value> {
        Ok(Value::from(self))
    }
}

impl ToValue for [Value] {
    fn to_value(&self) -> Result<Value> {
        Ok(Value::array(self.to_vec()))
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Result<Value> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Result<Value> {
        self.as_ref().map_or(Ok(Value::Null), ToValue::to_value)
    }
}

macro_rules! large_integers {
    ($($ty:ty),*) => {$(
        impl ToValue for $ty {
            fn to_value(&self) -> Result<Value> {
                i64::try_from(*self).map(Value::Int).map_err(|_| {
                    Error::data(
                        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                        format!("{self} does not fit a 64-bit integer"),
                    )
                    .with_hint("bind it as a BigDecimal")
                })
            }
        }
    )*};
}

large_integers!(u64, usize, isize, i128, u128);

fn mismatch(wanted: &str, value: &Value) -> Error {
    Error::statement(
        sqlstate::DATATYPE_MISMATCH,
        format!(
            "cannot read a value of kind {} as {wanted}",
            value.kind_name()
        ),
    )
    .with_hint("cast it in SQL, or read it as Option, Value or another type")
}

macro_rules! from_integer {
    ($($ty:ty),*) => {$(
        impl FromValue for $ty {
            fn from_value(value: &Value) -> Result<Self> {
                let number = integer(value).ok_or_else(|| mismatch(stringify!($ty), value))?;
                Self::try_from(number).map_err(|_| {
                    Error::data(
                        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
                        format!("{number} does not fit {}", stringify!($ty)),
                    )
                })
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32, u64, usize, isize, i128);

/// The whole number a value is, whatever its type: `count(*)` and `sum(bigint)` are of different types.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Numeric(number) if number.is_integer() => number
            .with_scale(0)
            .into_bigint_and_exponent()
            .0
            .try_into()
            .ok(),
        _ => None,
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self> {
        value.as_bool().ok_or_else(|| mismatch("bool", value))
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Double(number) => Ok(*number),
            Value::Real(number) => Ok(Self::from(*number)),
            #[expect(clippy::cast_precision_loss, reason = "the caller asked for a double")]
            Value::Int(number) => Ok(*number as Self),
            Value::Numeric(number) => number
                .to_string()
                .parse()
                .map_err(|_| mismatch("f64", value)),
            _ => Err(mismatch("f64", value)),
        }
    }
}

impl FromValue for f32 {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Real(number) => Ok(*number),
            _ =>
            {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the caller asked for a float"
                )]
                f64::from_value(value).map(|number| number as Self)
            }
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self> {
        value
            .as_text()
            .map(str::to_owned)
            .ok_or_else(|| mismatch("String", value))
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.to_vec()),
            _ => Err(mismatch("Vec<u8>", value)),
        }
    }
}

impl FromValue for BigDecimal {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Numeric(number) => Ok((**number).clone()),
            Value::Int(number) => Ok(Self::from(*number)),
            _ => Err(mismatch("BigDecimal", value)),
        }
    }
}

impl FromValue for Document {
    fn from_value(value: &Value) -> Result<Self> {
        value
            .unwrap_json()
            .as_document()
            .cloned()
            .ok_or_else(|| mismatch("Document", value))
    }
}

impl FromValue for Interval {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Interval(interval) => Ok(*interval),
            _ => Err(mismatch("Interval", value)),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self> {
        Ok(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self> {
        if value.is_null() {
            Ok(None)
        } else {
            T::from_value(value).map(Some)
        }
    }
}
