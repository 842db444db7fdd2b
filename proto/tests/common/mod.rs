//! Random values for property tests: a splitmix64 generator whose seed is printed, leaning towards the hard cases.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tailwater_proto::{BigDecimal, Document, Interval, Value};

/// splitmix64 (Steele, Lea, Flood 2014).
pub(crate) struct Rng(u64);

impl Rng {
    /// Seeded from `TAILWATER_SEED` or the clock; prints the seed, which a failing test shows.
    pub(crate) fn announced(test: &str) -> Self {
        let seed = std::env::var("TAILWATER_SEED")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                since.as_nanos() as u64
            });
        eprintln!("{test}: TAILWATER_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    pub(crate) fn bytes(&mut self, len_max: u64) -> Vec<u8> {
        let len = self.below(len_max + 1);
        let hard = [0, 0, 1, 0x7F, 0x80, 0xFE, 0xFF];
        (0..len)
            .map(|_| match self.below(2) {
                0 => self.pick(&hard),
                _ => self.next() as u8,
            })
            .collect()
    }

    fn string(&mut self) -> String {
        let hard = [
            '\0',
            '\u{1}',
            'a',
            'b',
            'é',
            '\u{10FFFF}',
            '"',
            '\\',
            ' ',
            '\u{7F}',
        ];
        (0..self.below(6)).map(|_| self.pick(&hard)).collect()
    }

    fn int(&mut self) -> i64 {
        let near = self.pick(&[
            0,
            1 << 53,
            -(1 << 53),
            1 << 62,
            i64::MAX,
            i64::MIN,
            1 << 31,
            100,
        ]);
        match self.below(4) {
            0 => self.next() as i64,
            1 => (self.next() >> self.below(64)) as i64,
            _ => near.wrapping_add(self.below(7) as i64 - 3),
        }
    }

    fn double(&mut self) -> f64 {
        match self.below(4) {
            0 => f64::from_bits(self.next()),
            1 => self.int() as f64,
            2 => self.int() as f64 / self.pick(&[2.0, 10.0, 100.0, 3.0]),
            _ => self.pick(&[
                0.0,
                -0.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::MAX,
                f64::MIN,
                5e-324,
                -5e-324,
                f64::MIN_POSITIVE,
                0.1,
                1e22,
                1e23,
            ]),
        }
    }

    pub(crate) fn numeric(&mut self) -> BigDecimal {
        let double = self.double();
        match self.below(5) {
            0 => BigDecimal::new(self.int().into(), self.below(40) as i64 - 10),
            // A double exactly, and then its neighbours by a far digit.
            1 | 2 if double.is_finite() => {
                let exact: BigDecimal = format!("{double:.1080}").parse().unwrap();
                match self.below(3) {
                    0 => exact,
                    1 => exact + BigDecimal::new(1.into(), 1100),
                    _ => exact - BigDecimal::new(1.into(), 1100),
                }
            }
            3 => {
                let digits: String = (0..1 + self.below(60))
                    .map(|_| self.pick(&['0', '0', '9', '5', '1']))
                    .collect();
                let text = format!("{}{digits}e{}", self.pick(&["", "-"]), self.int() % 400);
                text.parse().unwrap()
            }
            _ => BigDecimal::new(
                (i128::from(self.int()) * i128::from(self.int())).into(),
                self.below(30) as i64,
            ),
        }
    }

    pub(crate) fn number(&mut self) -> Value {
        match self.below(4) {
            0 => Value::Int(self.int()),
            1 => Value::Real(self.double() as f32),
            2 => Value::Double(self.double()),
            _ => Value::numeric(self.numeric()),
        }
    }

    pub(crate) fn interval(&mut self) -> Interval {
        let days = self.pick(&[0, 1, 30, -30, 365, i64::from(i32::MAX), i64::from(i32::MIN)]);
        Interval {
            months: match self.below(3) {
                0 => self.int() as i32,
                _ => self.below(5) as i32 - 2,
            },
            days: days as i32,
            micros: match self.below(3) {
                0 => self.int(),
                1 => 86_400_000_000 * (self.below(60) as i64 - 30),
                _ => 0,
            },
        }
    }

    /// Any value, nested at most `depth` deep.
    pub(crate) fn value(&mut self, depth: u32) -> Value {
        let kinds = if depth == 0 { 15 } else { 18 };
        match self.below(kinds) {
            0 => Value::Null,
            1 => Value::Bool(self.below(2) == 0),
            2..=5 => self.number(),
            6 => Value::Date(match self.below(3) {
                0 => self.int() as i32,
                _ => self.below(5) as i32 - 2,
            }),
            7 => Value::Time(self.int()),
            8 => Value::Timestamp(86_400_000_000 * (self.below(5) as i64 - 2)),
            9 => Value::TimestampTz(self.int()),
            10 => Value::Interval(self.interval()),
            11 => Value::Uuid([self.pick(&[0, 1, 255]); 16]),
            12 | 13 => Value::text(&self.string()),
            14 => Value::from(self.bytes(12)),
            15 => Value::Json(Arc::new(self.value(depth - 1))),
            16 => Value::array((0..self.below(4)).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let mut document = Document::new();
                for _ in 0..self.below(4) {
                    document.set(self.string(), self.value(depth - 1));
                }
                Value::document(document)
            }
        }
    }
}
