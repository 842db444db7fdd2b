//! `Document`: named fields in the order they were given, and `Path`: the way to a value inside one.

use std::fmt;

use ecow::EcoString;
use serde::{Deserialize, Serialize};

use crate::value::Value;

/// Named values. Order is kept; a name may stand twice only in query results, never in what is stored.
#[derive(Clone, Debug, Default)]
pub struct Document(Vec<(EcoString, Value)>);

impl Document {
    /// A document without fields.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of the first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    /// The value of the first field of that name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.0
            .iter_mut()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    /// Sets a field: in its place if there is one of that name, else at the end.
    pub fn set(&mut self, name: impl Into<EcoString>, value: Value) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(slot) => *slot = value,
            None => self.0.push((name, value)),
        }
    }

    /// Appends a field without looking for one of that name.
    pub fn push(&mut self, name: impl Into<EcoString>, value: Value) {
        self.0.push((name.into(), value));
    }

    /// Takes the first field of that name out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let place = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.remove(place).1)
    }

    /// Fields in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EcoString, &Value)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many fields there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(EcoString, Value)> for Document {
    fn from_iter<I: IntoIterator<Item = (EcoString, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl IntoIterator for Document {
    type Item = (EcoString, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PathStep {
    /// `.name`
    Field(EcoString),
    /// `[n]`, counted from 0; negative and too large indexes find nothing.
    Index(i64),
}

/// A way into a nested value, such as `a.b[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Path(pub Vec<PathStep>);

impl Path {
    /// The value the path leads to, or `None` where it leads nowhere (SQL reads NULL there).
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        let mut place = root;
        for step in &self.0 {
            if let Value::Json(inner) = place {
                place = inner;
            }
            place = match (step, place) {
                (PathStep::Field(name), Value::Document(document)) => document.get(name)?,
                (PathStep::Index(index), Value::Array(elements)) => {
                    elements.get(usize::try_from(*index).ok()?)?
                }
                _ => return None,
            };
        }
        Some(place)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Field(name) if place == 0 => f.write_str(name)?,
                PathStep::Field(name) => write!(f, ".{name}")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
