//! `Services`: which methods there are now. They are compiled once for each version of the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prost_reflect::{DescriptorPool, FileDescriptor};

use super::method::Method;
use crate::catalog::Module;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::module::{ModulePlan, ModuleSource};
use crate::txn::Mode;

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
    db: Database,
    current: Mutex<Arc<ServiceSet>>,
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
    version: Option<u64>,
    methods: BTreeMap<String, Arc<Method>>,
    modules: Vec<ServiceModule>,
    damaged: Vec<(String, Error)>,
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
    module: Arc<Module>,
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
            db: db.clone(),
            current: Mutex::default(),
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
        let engine = self.db.engine();
        let mut current = self.current.lock();
        if current.version == Some(engine.visible_catalog_version()) {
            return Ok(Arc::clone(&current));
        }
        let txn = engine.begin(Mode::ReadOnly, &Arc::from(""))?;
        let mut set = ServiceSet {
            version: Some(txn.catalog.version()),
            ..ServiceSet::default()
        };
        for module in txn.catalog.modules() {
            let known = current
                .modules
                .iter()
                .find(|known| Arc::ptr_eq(&known.module, module));
            let loaded = load(module, known).and_then(|(compiled, plan)| {
                let methods = Method::all(engine, &txn, &compiled.file, &plan)?;
                Ok((compiled, methods))
            });
            match loaded {
                Ok((compiled, methods)) => {
                    let methods = methods.into_iter().map(Arc::new);
                    set.methods
                        .extend(methods.map(|method| (method.path().to_owned(), method)));
                    set.modules.push(compiled);
                }
                // The others are as good as ever.
                Err(error) => set.damaged.push((module.name.to_string(), error)),
            }
        }
        *current = Arc::new(set);
        Ok(Arc::clone(&current))
    }
}

/// A module with its plan.
fn load(
    module: &Arc<Module>,
    known: Option<&ServiceModule>,
) -> Result<(ServiceModule, ModulePlan)> {
    let compiled = match known {
        Some(known) => known.clone(),
        None => compile(module)?,
    };
    let plan =
        serde_json::from_str(&module.plan).map_err(|error| damaged(module, &error.to_string()))?;
    Ok((compiled, plan))
}

fn compile(module: &Arc<Module>) -> Result<ServiceModule> {
    let root = module.files.get(&module.root).map_or("", String::as_str);
    let mut source = ModuleSource::new(module.root.as_str(), root);
    for (name, text) in module
        .files
        .iter()
        .filter(|(name, _)| **name != module.root)
    {
        source = source.with_import(name.as_str(), text.as_str());
    }
    let file = source
        .compile()
        .map_err(|error| damaged(module, error.message()))?;
    Ok(ServiceModule {
        name: module.name.to_string(),
        file,
        module: Arc::clone(module),
    })
}

fn damaged(module: &Module, why: &str) -> Error {
    Error::corrupted(format!("module {}: {why}", module.name)).on(module.name.to_string())
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
