//! Statement parameters: `params![1, "a"]` by position, `params!{"min": 100}` by name, `()` for none.

use tailwater_proto::{Value, sqlstate};

use crate::error::{Error, Result};
use crate::to_value::ToValue;

/// Parameters by position, with their names if they were given by name.
///
/// ```
/// use tailwater::{Database, Parameters, Value};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// let words = ["never", "odd", "or", "even"]; // as many as come
/// let marks = vec!["?"; words.len()].join(", ");
/// let parameters = Parameters::positional(words.map(Value::text).to_vec());
/// let longest: i64 = db.query(&format!("SELECT length(greatest({marks}))"), parameters)?.scalar()?;
/// assert_eq!(longest, 2); // "or"
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    pub(crate) values: Vec<Value>,
    pub(crate) names: Option<Vec<String>>,
    /// Several statements of a script take from them: none need take all.
    pub(crate) in_script: bool,
}

impl Parameters {
    /// Values for `?` and `$1`, `$2`, ….
    ///
    /// ```
    /// use tailwater::{Database, Parameters, Value};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let parameters = Parameters::positional(vec![Value::text("water"), Value::text("tail")]);
    /// assert_eq!(db.query("SELECT $2 || $1", parameters)?.scalar::<String>()?, "tailwater");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn positional(values: Vec<Value>) -> Self {
        Self {
            values,
            names: None,
            in_script: false,
        }
    }

    /// Values for `$name` and `:name`.
    ///
    /// ```
    /// use tailwater::{Database, Parameters, Value};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = Database::memory()?;
    /// let parameters = Parameters::named(vec![("first".into(), Value::text("tail")), ("last".into(), Value::text("water"))]);
    /// assert_eq!(db.query("SELECT $first || $last", parameters)?.scalar::<String>()?, "tailwater");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn named(named: Vec<(String, Value)>) -> Self {
        let (names, values) = named.into_iter().unzip();
        Self {
            values,
            names: Some(names),
            in_script: false,
        }
    }

    /// Refuses values by position that a single statement would leave unused: one was forgotten in its text.
    pub(crate) fn refuse_more_than(&self, taken: usize) -> Result<()> {
        let given = self.values.len();
        if self.names.is_some() || self.in_script || given <= taken {
            return Ok(());
        }
        Err(Error::statement(
            sqlstate::UNDEFINED_PARAMETER,
            format!("the statement takes {}, {given} were given", count(taken)),
        )
        .with_hint("bind one value for each ? or $n"))
    }
}

/// So many parameters, in words.
pub(crate) fn count(parameters: usize) -> String {
    match parameters {
        0 => "no parameters".to_owned(),
        1 => "1 parameter".to_owned(),
        more => format!("{more} parameters"),
    }
}

/// What can be bound to a statement: `()`, `params![…]`, `params!{…}`, arrays and vectors of values.
///
/// ```
/// use tailwater::{Database, params};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// let text = |rows: tailwater::Rows| rows.scalar::<String>();
/// assert_eq!(text(db.query("SELECT repeat(?, ?)", params!["ha", 3])?)?, "hahaha");
/// assert_eq!(text(db.query("SELECT ? || ?", ["tail", "water"])?)?, "tailwater"); // of one type: an array will do
/// assert_eq!(text(db.query("SELECT $a || $a", params! {"a": "ha"})?)?, "haha");
/// # Ok(())
/// # }
/// ```
pub trait Params {
    /// The parameters.
    ///
    /// # Errors
    /// When a value has no SQL form.
    ///
    /// ```
    /// use tailwater::{Database, Parameters, Params, Result};
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// /// A program's own type as parameters.
    /// struct Span { from: i64, to: i64 }
    /// impl Params for Span {
    ///     fn into_parameters(self) -> Result<Parameters> {
    ///         [self.from, self.to].into_parameters()
    ///     }
    /// }
    ///
    /// let db = Database::memory()?;
    /// let sql = "SELECT count(*) FROM (VALUES (1), (4), (7), (9)) AS t(x) WHERE x BETWEEN $1 AND $2";
    /// let n: i64 = db.query(sql, Span { from: 3, to: 9 })?.scalar()?;
    /// assert_eq!(n, 3);
    /// # Ok(())
    /// # }
    /// ```
    fn into_parameters(self) -> Result<Parameters>;
}

impl Params for () {
    fn into_parameters(self) -> Result<Parameters> {
        Ok(Parameters::default())
    }
}

impl Params for Parameters {
    fn into_parameters(self) -> Result<Parameters> {
        Ok(self)
    }
}

impl Params for Result<Parameters> {
    fn into_parameters(self) -> Result<Parameters> {
        self
    }
}

impl<T: ToValue> Params for Vec<T> {
    fn into_parameters(self) -> Result<Parameters> {
        self.iter()
            .map(ToValue::to_value)
            .collect::<Result<_>>()
            .map(Parameters::positional)
    }
}

impl<T: ToValue, const N: usize> Params for [T; N] {
    fn into_parameters(self) -> Result<Parameters> {
        self.iter()
            .map(ToValue::to_value)
            .collect::<Result<_>>()
            .map(Parameters::positional)
    }
}

impl<T: ToValue> Params for &[T] {
    fn into_parameters(self) -> Result<Parameters> {
        self.iter()
            .map(ToValue::to_value)
            .collect::<Result<_>>()
            .map(Parameters::positional)
    }
}

/// Parameters for a statement: `params![a, b]` binds `?`, `$1`, `$2`; `params!{"name": a}` binds `$name`, `:name`.
///
/// ```
/// use tailwater::{Database, params};
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// db.exec("CREATE TABLE t (id INT PRIMARY KEY, name TEXT)", ())?;
/// db.exec("INSERT INTO t VALUES (?, ?)", params![1, "Ada"])?;
/// let name: String = db.query("SELECT name FROM t WHERE id = $id", params! {"id": 1})?.scalar()?;
/// assert_eq!(name, "Ada");
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! params {
    () => { () };
    ($($name:literal : $value:expr),+ $(,)?) => {
        (|| -> $crate::Result<$crate::Parameters> {
            Ok($crate::Parameters::named(vec![
                $(($name.to_owned(), $crate::ToValue::to_value(&$value)?)),+
            ]))
        })()
    };
    ($($value:expr),+ $(,)?) => {
        (|| -> $crate::Result<$crate::Parameters> {
            Ok($crate::Parameters::positional(vec![$($crate::ToValue::to_value(&$value)?),+]))
        })()
    };
}
