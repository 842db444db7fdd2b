//! `Handles`: the database as each caller uses it. What a handle learns of the statements of a caller is there at the next call.
//! Next door: `call`, which asks for one each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tailwater::Database;

/// Callers that are remembered, at most.
const CALLERS_MAX: usize = 1_000;

/// A handle for each caller.
pub(crate) struct Handles {
    database: Database,
    by_name: Mutex<HashMap<Arc<str>, Database>>,
}

impl Handles {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            by_name: Mutex::default(),
        }
    }

    /// The database as the caller of that name uses it; without a name: as the program does.
    pub(crate) fn of(&self, name: &Arc<str>) -> Database {
        if name.is_empty() {
            return self.database.clone();
        }
        // A map that was let go of half way through is whole.
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = by_name.get(name) {
            return known.clone();
        }
        if by_name.len() >= CALLERS_MAX {
            by_name.clear();
        }
        let handle = self.database.as_principal(name);
        by_name.insert(Arc::clone(name), handle.clone());
        handle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_keep_their_names_and_few_are_remembered() {
        let database = Database::memory().unwrap();
        database
            .exec("CREATE TABLE t (id INT PRIMARY KEY, by_whom TEXT)", ())
            .unwrap();
        let handles = Handles::new(database);
        for id in 0..3 * CALLERS_MAX {
            let name: Arc<str> = Arc::from(format!("caller {}", id % (CALLERS_MAX + 1)));
            let sql = "SELECT current_user";
            let who: String = handles.of(&name).query(sql, ()).unwrap().scalar().unwrap();
            assert_eq!(who, *name);
            assert!(handles.by_name.lock().unwrap().len() <= CALLERS_MAX);
        }
        assert!(
            handles
                .of(&Arc::from(""))
                .query("SELECT * FROM t", ())
                .is_ok()
        );
    }
}
