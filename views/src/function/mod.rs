//! The function table: one row a function; binder, `SHOW FUNCTIONS`, manual and its test read the row.
//!
//! To add a function, write its row in the file of its family. Numbers are persisted in stored plans: never renumber.
//! Which row a call means is decided in `resolve`; what is wrong with an argument's kind only at run time gives NULL.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use tailwater_proto::Value;

use crate::context::ExecContext;
use crate::error::Result;

pub use self::kind::Kind;
pub use self::resolve::{ResolveError, ResolvedCall, resolve, signature};

mod conditional;
mod document;
mod json_edit;
mod json_operator;
mod kind;
mod math;
mod pattern;
mod resolve;
mod string;
mod string_form;
mod system;
mod time;
mod time_part;
mod to_char;
mod to_char_number;
mod trigonometry;
mod trigonometry_degree;

/// Every function, by family.
static FAMILIES: &[&[Function]] = &[
    string::FUNCTIONS,
    string_form::FUNCTIONS,
    pattern::FUNCTIONS,
    math::FUNCTIONS,
    trigonometry::FUNCTIONS,
    trigonometry_degree::FUNCTIONS,
    time::FUNCTIONS,
    time_part::FUNCTIONS,
    to_char::FUNCTIONS,
    document::FUNCTIONS,
    json_operator::FUNCTIONS,
    json_edit::FUNCTIONS,
    conditional::FUNCTIONS,
    system::FUNCTIONS,
];

/// The lasting number of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionId(pub u16);

/// What a function's result depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    /// Its arguments only: allowed in views, indexes and constant folding.
    Immutable,
    /// The transaction too (`now()`, `current_user`): not allowed in views and indexes.
    Stable,
    /// Each call is another (`random()`).
    Volatile,
}

/// A function of evaluated arguments, as many as its row allows.
pub type Eval = fn(&[Value], &ExecContext) -> Result<Value>;

/// A function that evaluates only the arguments it asks for.
pub type Lazy = fn(&mut dyn Iterator<Item = Result<Value>>) -> Result<Value>;

/// One signature of a function. Several rows of one name are overloads, the one that fits best wins.
#[derive(Debug)]
pub struct Function {
    /// Persisted, never renumber.
    pub id: FunctionId,
    /// Name as written in SQL, in lower case; other names for it.
    pub names: &'static [&'static str],
    /// Argument kinds.
    pub arguments: &'static [Kind],
    /// How many of the last arguments may be left out.
    pub optional: usize,
    /// Whether the last argument kind may be repeated any number of times.
    pub variadic: bool,
    /// Result kind.
    pub result: Kind,
    /// What the result depends on.
    pub volatility: Volatility,
    /// Whether a NULL argument makes the result NULL without a call.
    pub strict: bool,
    /// One sentence.
    pub doc: &'static str,
    /// An SQL expression and its text: tested.
    pub example: (&'static str, &'static str),
    /// The function.
    pub eval: Eval,
    /// The function, where not every argument may be evaluated; used instead of `eval`.
    pub lazy: Option<Lazy>,
}

impl Function {
    /// A row: immutable, strict, all arguments required. The methods below say otherwise.
    const fn new(
        id: u16,
        names: &'static [&'static str],
        arguments: &'static [Kind],
        result: Kind,
        doc: &'static str,
        example: (&'static str, &'static str),
        eval: Eval,
    ) -> Self {
        Self {
            id: FunctionId(id),
            names,
            arguments,
            optional: 0,
            variadic: false,
            result,
            volatility: Volatility::Immutable,
            strict: true,
            doc,
            example,
            eval,
            lazy: None,
        }
    }

    /// The last `count` arguments may be left out.
    const fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    /// The last argument may be repeated.
    const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    /// Called with NULLs too.
    const fn with_nulls(mut self) -> Self {
        self.strict = false;
        self
    }

    const fn volatility(mut self, volatility: Volatility) -> Self {
        self.volatility = volatility;
        self
    }

    const fn lazy(mut self, lazy: Lazy) -> Self {
        self.lazy = Some(lazy);
        self
    }

    /// The name in SQL, other names aside.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or("")
    }

    /// Whether so many arguments may be given.
    #[must_use]
    pub const fn takes(&self, count: usize) -> bool {
        count + self.optional >= self.arguments.len()
            && (count <= self.arguments.len() || self.variadic)
    }
}

struct Index {
    by_id: Vec<Option<&'static Function>>,
    by_name: HashMap<&'static str, Vec<&'static Function>>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index {
        by_id: Vec::new(),
        by_name: HashMap::new(),
    };
    for function in all() {
        let place = usize::from(function.id.0);
        if index.by_id.len() <= place {
            index.by_id.resize(place + 1, None);
        }
        if let Some(slot) = index.by_id.get_mut(place) {
            *slot = Some(function);
        }
        for name in function.names {
            index.by_name.entry(name).or_default().push(function);
        }
    }
    index
});

/// Every row of the table.
pub fn all() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The row of a number, `None` if there is none (a plan of a newer version, or a damaged one).
#[must_use]
pub fn by_id(id: FunctionId) -> Option<&'static Function> {
    INDEX.by_id.get(usize::from(id.0)).copied().flatten()
}

/// The rows of a name in lower case, in table order.
#[must_use]
pub fn by_name(name: &str) -> &'static [&'static Function] {
    INDEX.by_name.get(name).map_or(&[], Vec::as_slice)
}
