//! `FieldSet`: the fields of a document that is being put together, each name once; the last value of a name counts.
//!
//! Whoever sends many names pays for each of them once, not for all pairs. Next door: `decode`.

use std::collections::HashMap;

use tailwater_proto::{Document, EcoString, Value};

/// With more fields names are looked up instead of compared one by one.
const FIELDS_SCANNED_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct FieldSet {
    fields: Vec<(EcoString, Value)>,
    /// Places by name, once there are many.
    places: HashMap<EcoString, usize>,
}

impl FieldSet {
    /// In the place of the name's first.
    pub(super) fn set(&mut self, name: EcoString, value: Value) {
        let next = self.fields.len();
        let place = if next < FIELDS_SCANNED_MAX {
            self.fields.iter().position(|(other, _)| *other == name)
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

    pub(super) fn into_document(self) -> Document {
        self.fields.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_name_stands_in_its_first_place() {
        let mut set = FieldSet::default();
        for round in 0..2 {
            for name in 0..100 {
                set.set(format!("n{name}").into(), Value::from(name + round));
            }
        }
        let document = set.into_document();
        let expected: Vec<_> = (0..100)
            .map(|name| (format!("n{name}"), Value::from(name + 1)))
            .collect();
        let found: Vec<_> = document
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        assert_eq!(found, expected);
    }
}
