//! `Versions`: the methods of a database's modules at one version of the catalog or another; `Home`: where a method belongs.
//!
//! They are compiled once for each version, and kept while somebody has them. A call does what its method means in the
//! transaction it runs in, also when a new version of the module came after it was looked up. Next door: `method`.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tailwater_proto::{Lsn, sqlstate};

use super::method::{Action, Method};
use super::services::{ServiceModule, ServiceSet};
use crate::catalog::Module;
use crate::database::Database;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::module::{CallKind, ModulePlan, ModuleSource};
use crate::txn::{Mode, Transaction};

/// Compiles the methods of a database's modules.
pub(super) struct Versions {
    /// Not the database: whoever has a method does not keep it open.
    engine: Arc<Engine>,
    principal: Arc<str>,
    latest: Mutex<Weak<ServiceSet>>,
}

impl fmt::Debug for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Versions").finish_non_exhaustive()
    }
}

impl Versions {
    pub(super) fn new(db: &Database) -> Arc<Self> {
        Arc::new(Self {
            engine: Arc::clone(db.engine()),
            principal: Arc::clone(db.principal()),
            latest: Mutex::default(),
        })
    }

    /// The methods of what is visible.
    pub(super) fn current(self: &Arc<Self>) -> Result<Arc<ServiceSet>> {
        let engine = &self.engine;
        let version = engine.visible_catalog_version();
        if let Some(latest) = self.latest.lock().upgrade()
            && latest.version == version
        {
            return Ok(latest);
        }
        let txn = engine.begin(Mode::ReadOnly, &self.principal)?;
        self.at(&txn)
    }

    /// The methods as a transaction sees them.
    fn at(self: &Arc<Self>, txn: &Transaction) -> Result<Arc<ServiceSet>> {
        let mut latest = self.latest.lock();
        let known = latest.upgrade();
        let version = txn.catalog.version();
        if let Some(known) = known.as_ref().filter(|known| known.version == version) {
            return Ok(Arc::clone(known));
        }
        let set = Arc::new(self.compile(txn, known.as_deref()));
        if known.is_none_or(|known| known.version < version) {
            *latest = Arc::downgrade(&set);
        }
        Ok(set)
    }

    fn compile(self: &Arc<Self>, txn: &Transaction, known: Option<&ServiceSet>) -> ServiceSet {
        let mut set = ServiceSet {
            version: txn.catalog.version(),
            ..ServiceSet::default()
        };
        for module in txn.catalog.modules() {
            let mut others = known.into_iter().flat_map(|known| &known.modules);
            let known = others.find(|known| Arc::ptr_eq(&known.module, module));
            let loaded = load(module, known).and_then(|(compiled, plan)| {
                let home = |path: &str, kind| {
                    Arc::new(Home {
                        versions: Arc::clone(self),
                        module: Arc::clone(module),
                        path: path.to_owned(),
                        kind,
                        later: Mutex::default(),
                    })
                };
                let methods = Method::all(&self.engine, txn, &compiled.file, &plan, &home)?;
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
        set
    }
}

/// Where what a method does belongs: which module at which version, and under which path it is found again.
#[derive(Debug)]
pub(super) struct Home {
    versions: Arc<Versions>,
    module: Arc<Module>,
    pub(super) path: String,
    kind: CallKind,
    /// The methods that were there when it was called last after its module was replaced. They know nothing of those before.
    later: Mutex<Option<Arc<ServiceSet>>>,
}

/// What a method does, as it is now.
#[derive(Debug)]
pub(super) struct Current<T> {
    pub(super) does: Arc<T>,
    /// Kept along with what is of another version than it was: who looks next finds it compiled.
    pub(super) set: Option<Arc<ServiceSet>>,
}

impl Home {
    /// What a method does in a transaction: `own`, unless its module was replaced.
    ///
    /// # Errors
    /// `0A000` if the method is gone, or does something of another kind.
    pub(super) fn current<T>(
        &self,
        own: &Arc<T>,
        txn: &Transaction,
        pick: fn(&Action) -> Option<&Arc<T>>,
    ) -> Result<Current<T>> {
        let module = txn.catalog.module(&self.module.name);
        if module.is_some_and(|module| Arc::ptr_eq(module, &self.module)) {
            return Ok(Current {
                does: Arc::clone(own),
                set: None,
            });
        }
        let mut later = self.later.lock();
        let known = later.as_ref();
        let set = match known.filter(|known| known.version == txn.catalog.version()) {
            Some(known) => Arc::clone(known),
            None => self.versions.at(txn)?,
        };
        *later = Some(Arc::clone(&set));
        drop(later);
        self.found(set, pick)
    }

    /// What a method does by what is visible, if its module was replaced since the `version` of the catalog that was looked at
    /// before; with the commit from which on that is so, or a later one.
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub(super) fn newer<T>(
        &self,
        version: &mut u64,
        pick: fn(&Action) -> Option<&Arc<T>>,
    ) -> Result<Option<(Lsn, Current<T>)>> {
        loop {
            let (lsn, catalog) = self.versions.engine.visible_catalog_change();
            if *version == catalog.version() {
                return Ok(None);
            }
            let module = catalog.module(&self.module.name);
            if module.is_some_and(|module| Arc::ptr_eq(module, &self.module)) {
                *version = catalog.version();
                return Ok(None);
            }
            let set = self.versions.current()?;
            if set.version != catalog.version() {
                continue; // There is another one already.
            }
            *version = catalog.version();
            return self.found(set, pick).map(|found| Some((lsn, found)));
        }
    }

    fn found<T>(
        &self,
        set: Arc<ServiceSet>,
        pick: fn(&Action) -> Option<&Arc<T>>,
    ) -> Result<Current<T>> {
        let method = set.method(&self.path);
        let does = method
            .filter(|method| method.kind() == self.kind)
            .and_then(|method| pick(method.action()));
        match does.map(Arc::clone) {
            Some(does) => Ok(Current {
                does,
                set: Some(set),
            }),
            None => Err(Error::statement(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("{} is not there any more, or another method", self.path),
            )
            .with_hint("a new version of its module was installed: look at what it has")),
        }
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
