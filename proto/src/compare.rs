//! One total order and one equality over all values, and SQL's three-valued comparison on top of it.
//!
//! ORDER BY, DISTINCT, GROUP BY, indexes and the key codec all mean this order:
//! BOOL < numbers < points in time < TIME < INTERVAL < UUID < TEXT < BYTEA < ARRAY < DOCUMENT < JSON null < NULL.
//! Numbers compare exactly across kinds; nothing is converted, nothing is rounded. The bytes are in `key_codec`.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use ecow::EcoString;
use smallvec::SmallVec;

use crate::document::Document;
use crate::number::{Number, cmp_double};
use crate::value::{Interval, Value};

/// Microseconds of a day.
pub(crate) const DAY_US: i128 = 86_400_000_000;
/// The point in time after all others: `infinity`.
pub(crate) const INSTANT_MAX: i128 = (1 << 71) - 1;
/// The point in time before all others: `-infinity`.
pub(crate) const INSTANT_MIN: i128 = -(1 << 71);

/// Classes of comparable values, in their order. Persisted as the first byte of a key part: never renumber.
pub(crate) mod class {
    pub(crate) const END: u8 = 0x00;
    pub(crate) const FALSE: u8 = 0x10;
    pub(crate) const TRUE: u8 = 0x11;
    pub(crate) const NUMBER: u8 = 0x20;
    pub(crate) const INSTANT: u8 = 0x30;
    pub(crate) const TIME: u8 = 0x38;
    pub(crate) const INTERVAL: u8 = 0x40;
    pub(crate) const UUID: u8 = 0x48;
    pub(crate) const TEXT: u8 = 0x50;
    pub(crate) const BYTES: u8 = 0x58;
    pub(crate) const ARRAY: u8 = 0x60;
    pub(crate) const DOCUMENT: u8 = 0x68;
    pub(crate) const JSON_NULL: u8 = 0xE0;
    pub(crate) const NULL: u8 = 0xF0;
}

impl Value {
    /// The place of `self` against `other` among all values.
    ///
    /// NULL is greatest and equal to itself, in arrays too (PostgreSQL's NULLS LAST); NaN is the greatest number;
    /// DATE, TIMESTAMP and TIMESTAMPTZ lie on one line, a date at its midnight and unzoned times read as UTC;
    /// intervals compare with days of 24 hours and months of 30 days; TEXT by its bytes; arrays by elements, then
    /// length; documents by fields sorted by name, each by name, then value. JSON is what it holds, and its `null`
    /// stands between all else and NULL.
    ///
    /// ```
    /// use tailwater_proto::Value;
    ///
    /// let mut mixed = [Value::text("a"), Value::Null, Value::Double(1.5), Value::Int(1)];
    /// mixed.sort_by(Value::cmp_total);
    /// assert_eq!(mixed[..2], [Value::Int(1), Value::Double(1.5)]); // numbers among themselves, by amount
    /// assert!(mixed[3].is_null());
    /// ```
    #[must_use]
    pub fn cmp_total(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => cmp_mixed(self, other),
        }
    }

    /// What SQL's `<`, `=`, `>` say: `None` (unknown) if either side is NULL or the two are of classes without an
    /// order between them, such as text and numbers.
    ///
    /// ```
    /// use std::cmp::Ordering;
    /// use tailwater_proto::Value;
    ///
    /// assert_eq!(Value::Int(1).cmp_sql(&Value::Double(1.5)), Some(Ordering::Less));
    /// assert_eq!(Value::Null.cmp_sql(&Value::Null), None); // unknown
    /// ```
    #[must_use]
    pub fn cmp_sql(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (a, b) => {
                let same = comparable_class(a) == comparable_class(b);
                same.then(|| cmp_mixed(a, b))
            }
        }
    }

    /// What JSON holds, any number of wrappers deep; other values are themselves. JSON `null` stays wrapped.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tailwater_proto::Value;
    ///
    /// let json = Value::Json(Arc::new(Value::Int(7)));
    /// assert_eq!(json.as_int(), None);
    /// assert_eq!(json.unwrap_json().as_int(), Some(7));
    /// ```
    #[must_use]
    pub fn unwrap_json(&self) -> &Self {
        let mut value = self;
        while let Self::Json(inner) = value {
            if inner.is_null() {
                break;
            }
            value = inner;
        }
        value
    }
}

/// The class of a value (see [`class`]); TRUE and FALSE have one each.
pub(crate) fn class_of(value: &Value) -> u8 {
    match value.unwrap_json() {
        Value::Bool(false) => class::FALSE,
        Value::Bool(true) => class::TRUE,
        Value::Int(_) | Value::Real(_) | Value::Double(_) | Value::Numeric(_) => class::NUMBER,
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => class::INSTANT,
        Value::Time(_) => class::TIME,
        Value::Interval(_) => class::INTERVAL,
        Value::Uuid(_) => class::UUID,
        Value::Text(_) => class::TEXT,
        Value::Bytes(_) => class::BYTES,
        Value::Array(_) => class::ARRAY,
        Value::Document(_) => class::DOCUMENT,
        Value::Json(_) => class::JSON_NULL,
        Value::Null => class::NULL,
    }
}

fn comparable_class(value: &Value) -> u8 {
    match class_of(value) {
        class::TRUE => class::FALSE,
        other => other,
    }
}

/// Microseconds on the common line of DATE, TIMESTAMP and TIMESTAMPTZ; the ends of their ranges are the infinities.
pub(crate) fn instant_of(value: &Value) -> Option<i128> {
    match value {
        Value::Date(i32::MAX) | Value::Timestamp(i64::MAX) | Value::TimestampTz(i64::MAX) => {
            Some(INSTANT_MAX)
        }
        Value::Date(i32::MIN) | Value::Timestamp(i64::MIN) | Value::TimestampTz(i64::MIN) => {
            Some(INSTANT_MIN)
        }
        Value::Date(days) => Some(i128::from(*days) * DAY_US),
        Value::Timestamp(micros) | Value::TimestampTz(micros) => Some(i128::from(*micros)),
        _ => None,
    }
}

impl Interval {
    /// The length PostgreSQL compares by, in microseconds: days of 24 hours, months of 30 days.
    ///
    /// ```
    /// use tailwater_proto::Interval;
    ///
    /// let interval = Interval { months: 0, days: 1, micros: -1 };
    /// assert_eq!(interval.span_us(), 86_399_999_999);
    /// ```
    #[must_use]
    pub fn span_us(&self) -> i128 {
        (i128::from(self.months) * 30 + i128::from(self.days)) * DAY_US + i128::from(self.micros)
    }
}

#[inline(never)]
fn cmp_mixed(a: &Value, b: &Value) -> Ordering {
    let (a, b) = (a.unwrap_json(), b.unwrap_json());
    if let (Some(a), Some(b)) = (Number::of(a), Number::of(b)) {
        return a.cmp(b);
    }
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Interval(a), Value::Interval(b)) => a.span_us().cmp(&b.span_us()),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a
            .iter()
            .zip(b.iter())
            .map(|(a, b)| a.cmp_total(b))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.len().cmp(&b.len())),
        (Value::Document(a), Value::Document(b)) => a.cmp(b),
        (a, b) => match (instant_of(a), instant_of(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => class_of(a).cmp(&class_of(b)),
        },
    }
}

/// A field of a document, borrowed.
pub(crate) type FieldRef<'d> = (&'d EcoString, &'d Value);

/// The fields sorted by name; fields of one name keep their order.
pub(crate) fn sorted_fields(document: &Document) -> SmallVec<[FieldRef<'_>; 16]> {
    let mut fields: SmallVec<[FieldRef<'_>; 16]> = document.iter().collect();
    if !fields.is_sorted_by(|a, b| a.0.as_bytes() <= b.0.as_bytes()) {
        fields.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    }
    fields
}

impl Ord for Document {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (sorted_fields(self), sorted_fields(other));
        a.iter()
            .zip(&b)
            .map(|((a_name, a), (b_name, b))| {
                a_name
                    .as_bytes()
                    .cmp(b_name.as_bytes())
                    .then_with(|| a.cmp_total(b))
            })
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.len().cmp(&b.len()))
    }
}

impl PartialOrd for Document {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.cmp(other).is_eq()
    }
}

impl Eq for Document {}

impl Hash for Document {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        for (name, value) in sorted_fields(self) {
            name.as_str().hash(state);
            value.hash(state);
        }
    }
}

/// Equality is [`Value::cmp_total`]'s: `1`, `1.0` and numeric `1.00` are equal, and so are two NULLs and two NaNs.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Document(a), Self::Document(b)) => a == b,
            (a, b) => cmp_mixed(a, b).is_eq(),
        }
    }
}

impl Eq for Value {}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_total(other)
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Equal values hash alike, whatever their kinds.
impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let value = self.unwrap_json();
        state.write_u8(class_of(value));
        if let Some(number) = Number::of(value) {
            match number.to_int() {
                Some(n) => state.write_i64(n),
                None => match number.floor().0 {
                    x if x.is_nan() => state.write_u64(u64::MAX),
                    x => state.write_u64(x.to_bits()),
                },
            }
            return;
        }
        match value {
            Self::Time(micros) => state.write_i64(*micros),
            Self::Interval(interval) => state.write_i128(interval.span_us()),
            Self::Uuid(bytes) => state.write(bytes),
            Self::Text(text) => text.as_str().hash(state),
            Self::Bytes(bytes) => bytes.hash(state),
            Self::Array(elements) => elements.hash(state),
            Self::Document(document) => document.hash(state),
            other => {
                if let Some(instant) = instant_of(other) {
                    state.write_i128(instant);
                }
            }
        }
    }
}

/// Doubles in the order of [`Value::cmp_total`]: NaN greatest, -0 equal to 0.
#[must_use]
pub fn cmp_f64(a: f64, b: f64) -> Ordering {
    cmp_double(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigdecimal::BigDecimal;
    use std::hash::DefaultHasher;
    use std::str::FromStr;

    fn numeric(text: &str) -> Value {
        Value::numeric(BigDecimal::from_str(text).unwrap())
    }

    fn json(value: Value) -> Value {
        Value::Json(value.into())
    }

    fn hash(value: &Value) -> u64 {
        let mut state = DefaultHasher::new();
        value.hash(&mut state);
        state.finish()
    }

    /// Ascending; values of one line are equal.
    fn ladder() -> Vec<Vec<Value>> {
        let big = 1i64 << 53;
        vec![
            vec![false.into(), json(false.into())],
            vec![true.into()],
            vec![
                Value::Double(f64::NEG_INFINITY),
                Value::Real(f32::NEG_INFINITY),
            ],
            vec![numeric("-1e400")],
            vec![Value::Double(f64::MIN)],
            vec![
                Value::Int(i64::MIN),
                Value::Double(-9_223_372_036_854_775_808.0),
            ],
            vec![Value::Int(i64::MIN + 1), numeric("-9223372036854775807.00")],
            vec![
                Value::Int(-big - 2),
                Value::Double(-9_007_199_254_740_994.0),
            ],
            vec![Value::Int(-big - 1), numeric("-9007199254740993")],
            vec![Value::Int(-big), Value::Double(-9_007_199_254_740_992.0)],
            vec![
                Value::Int(-1),
                Value::Double(-1.0),
                Value::Real(-1.0),
                numeric("-1.00"),
            ],
            vec![Value::Double(-0.1)],
            vec![numeric("-0.1")],
            vec![numeric("-1e-400")],
            vec![
                Value::Int(0),
                Value::Double(-0.0),
                Value::Double(0.0),
                numeric("0.000"),
            ],
            vec![numeric("1e-400")],
            vec![Value::Double(5e-324)],
            vec![numeric("0.1"), numeric("0.100")],
            vec![Value::Double(0.1)],
            vec![Value::Real(0.1), Value::Double(f64::from(0.1f32))],
            vec![
                Value::Int(1),
                Value::Double(1.0),
                numeric("1.00"),
                json(Value::Int(1)),
            ],
            vec![numeric(
                "1.0000000000000000000000000000000000000000000000001",
            )],
            vec![Value::Int(big), Value::Double(9_007_199_254_740_992.0)],
            vec![Value::Int(big + 1), numeric("9007199254740993.0")],
            vec![numeric("9007199254740993.5")],
            vec![Value::Int(big + 2), Value::Double(9_007_199_254_740_994.0)],
            vec![Value::Int(i64::MAX), numeric("9223372036854775807")],
            vec![
                Value::Double(9_223_372_036_854_775_808.0),
                numeric("9223372036854775808"),
            ],
            vec![Value::Double(f64::MAX)],
            vec![numeric("1e400")],
            vec![Value::Double(f64::INFINITY)],
            vec![
                Value::Double(f64::NAN),
                Value::Double(-f64::NAN),
                Value::Real(f32::NAN),
            ],
            vec![Value::Date(i32::MIN), Value::Timestamp(i64::MIN)],
            vec![Value::Date(i32::MIN + 1)],
            vec![Value::Timestamp(i64::MIN + 1)],
            vec![Value::Date(0), Value::Timestamp(0), Value::TimestampTz(0)],
            vec![Value::Timestamp(1)],
            vec![Value::Date(1), Value::TimestampTz(86_400_000_000)],
            vec![Value::Date(i32::MAX - 1)],
            vec![Value::Date(i32::MAX), Value::TimestampTz(i64::MAX)],
            vec![Value::Time(0)],
            vec![Value::Time(5)],
            vec![Value::Interval(Interval {
                months: -1,
                days: 0,
                micros: 0,
            })],
            vec![
                Value::Interval(Interval {
                    months: 1,
                    days: 0,
                    micros: 0,
                }),
                Value::Interval(Interval {
                    months: 0,
                    days: 30,
                    micros: 0,
                }),
                Value::Interval(Interval {
                    months: 0,
                    days: 29,
                    micros: 86_400_000_000,
                }),
            ],
            vec![Value::Uuid([0; 16])],
            vec![Value::Uuid([1; 16])],
            vec!["".into()],
            vec!["\0".into()],
            vec!["\0\0".into()],
            vec!["\0a".into()],
            vec!["a".into(), json("a".into())],
            vec!["a\0".into()],
            vec!["a\u{1}".into()],
            vec!["ab".into()],
            vec!["é".into()],
            vec![Value::from(&[][..])],
            vec![Value::from(&[0u8][..])],
            vec![Value::from(&[255u8][..])],
            vec![Value::array(vec![])],
            vec![
                Value::array(vec![Value::Int(1)]),
                json(Value::array(vec![Value::Double(1.0)])),
            ],
            vec![Value::array(vec![Value::Int(1), Value::Int(0)])],
            vec![Value::array(vec![Value::Int(2)])],
            vec![Value::array(vec![Value::Null])],
            vec![Value::document(Document::new())],
            vec![Value::document(Document::from_iter([(
                "a".into(),
                Value::Int(1),
            )]))],
            vec![
                Value::document(Document::from_iter([
                    ("a".into(), Value::Int(1)),
                    ("b".into(), Value::Int(2)),
                ])),
                Value::document(Document::from_iter([
                    ("b".into(), Value::Double(2.0)),
                    ("a".into(), Value::Int(1)),
                ])),
            ],
            vec![Value::document(Document::from_iter([(
                "a".into(),
                Value::Null,
            )]))],
            vec![Value::document(Document::from_iter([(
                "b".into(),
                Value::Int(0),
            )]))],
            vec![json(Value::Null), json(json(Value::Null))],
            vec![Value::Null],
        ]
    }

    #[test]
    fn the_ladder_stands_in_order_and_equals_hash_alike() {
        let ladder = ladder();
        for (low, lows) in ladder.iter().enumerate() {
            for (high, highs) in ladder.iter().enumerate() {
                for a in lows {
                    for b in highs {
                        assert_eq!(a.cmp_total(b), low.cmp(&high), "{a:?} against {b:?}");
                        assert_eq!(a == b, low == high, "{a:?} against {b:?}");
                        let keys = (crate::key_codec::key_of([a]), crate::key_codec::key_of([b]));
                        assert_eq!(keys.0.cmp(&keys.1), low.cmp(&high), "keys of {a:?}, {b:?}");
                        if low == high {
                            assert_eq!(hash(a), hash(b), "{a:?} and {b:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn sql_comparison_knows_unknown() {
        assert_eq!(Value::Null.cmp_sql(&Value::Null), None);
        assert_eq!(Value::Int(1).cmp_sql(&Value::Null), None);
        assert_eq!(Value::Int(1).cmp_sql(&Value::text("1")), None);
        assert_eq!(
            Value::Int(1).cmp_sql(&numeric("1.0")),
            Some(Ordering::Equal)
        );
        assert_eq!(
            Value::Bool(false).cmp_sql(&Value::Bool(true)),
            Some(Ordering::Less)
        );
        assert_eq!(
            json(Value::Null).cmp_sql(&json(Value::Null)),
            Some(Ordering::Equal)
        );
    }
}
