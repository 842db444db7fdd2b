//! `Services`: which methods there are now.
//!
//! Next door: `versions`, which compiles them once for each version of the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prost_reflect::{DescriptorPool, FileDescriptor};

use super::method::Method;
use super::versions::Versions;
use crate::catalog::Module;
use crate::database::Database;
use crate::error::{Error, Result};

/// The methods of a database's modules.
///
/// ```
/// use tailwater::Database;
/// use tailwater::module::ModuleSource;
/// use tailwater::service::Services;
///
/// # fn main() -> tailwater::Result<()> {
/// let db = Database::memory()?;
/// let services = Services::new(&db);
/// assert_eq!(services.current()?.methods().count(), 0);
/// let text = "syntax = \"proto3\"; message Item { string id = 1; } service S { rpc GetItem(Item) returns (Item); }";
/// db.install_module(&ModuleSource::new("s.proto", text))?;
/// assert!(services.current()?.method("/S/GetItem").is_some()); // without a restart
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Services {
    versions: Arc<Versions>,
    /// What was current when somebody asked last.
    kept: Mutex<Option<Arc<ServiceSet>>>,
}

/// All methods at one version of the catalog.
///
/// ```
/// # fn main() -> tailwater::Result<()> {
/// let db = tailwater::Database::memory()?;
/// assert!(tailwater::service::Services::new(&db).current()?.modules().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ServiceSet {
    pub(super) version: u64,
    pub(super) methods: BTreeMap<String, Arc<Method>>,
    pub(super) modules: Vec<ServiceModule>,
    pub(super) damaged: Vec<(String, Error)>,
}

/// A module, for who reflects on it.
///
/// ```
/// use tailwater::module::ModuleSource;
///
/// # fn main() -> tailwater::Result<()> {
/// let db = tailwater::Database::memory()?;
/// db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; message Item { string id = 1; }"))?;
/// let services = tailwater::service::Services::new(&db).current()?;
/// let module = &services.modules()[0];
/// assert_eq!((module.name.as_str(), module.file.name()), ("s", "s.proto"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServiceModule {
    /// Its name.
    pub name: String,
    /// Its file, in a pool with all that it imports.
    pub file: FileDescriptor,
    /// The catalog's row that it was compiled from.
    pub(super) module: Arc<Module>,
}

impl ServiceModule {
    /// Descriptors of its file and of all that it imports.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; message Item { string id = 1; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert!(services.modules()[0].pool().get_message_by_name("Item").is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pool(&self) -> &DescriptorPool {
        self.file.parent_pool()
    }
}

impl ServiceModule {
    /// The texts of its file and of those it imports, by their names.
    ///
    /// ```
    /// use tailwater::module::ModuleSource;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// db.install_module(&ModuleSource::new("s.proto", "syntax = \"proto3\"; message Item { string id = 1; }"))?;
    /// let services = tailwater::service::Services::new(&db).current()?;
    /// assert!(services.modules()[0].texts()["s.proto"].contains("message Item"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.module.files
    }
}

impl Services {
    /// The services of a database.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// assert!(tailwater::service::Services::new(&db).current().is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(db: &Database) -> Self {
        Self {
            versions: Versions::new(db),
            kept: Mutex::default(),
        }
    }

    /// The methods there are now. It costs nothing while the catalog stays the same; calls that are under way keep theirs.
    ///
    /// # Errors
    /// When the catalog cannot be read. A module that does not compile is [`damaged`](ServiceSet::damaged), and the others are
    /// there.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// let services = tailwater::service::Services::new(&db);
    /// assert!(Arc::ptr_eq(&services.current()?, &services.current()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn current(&self) -> Result<Arc<ServiceSet>> {
        let set = self.versions.current()?;
        *self.kept.lock() = Some(Arc::clone(&set));
        Ok(set)
    }
}

impl ServiceSet {
    /// The method of a path: `/package.Service/Method`.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// assert!(tailwater::service::Services::new(&db).current()?.method("/chat.Chat/Send").is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }

    /// All methods, by their paths.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// assert_eq!(tailwater::service::Services::new(&db).current()?.methods().count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn methods(&self) -> impl Iterator<Item = &Arc<Method>> {
        self.methods.values()
    }

    /// Modules whose methods cannot be had, and why.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// assert!(tailwater::service::Services::new(&db).current()?.damaged().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn damaged(&self) -> &[(String, Error)] {
        &self.damaged
    }

    /// All modules, by their names.
    ///
    /// ```
    /// # fn main() -> tailwater::Result<()> {
    /// let db = tailwater::Database::memory()?;
    /// assert_eq!(tailwater::service::Services::new(&db).current()?.modules().len(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn modules(&self) -> &[ServiceModule] {
        &self.modules
    }
}
