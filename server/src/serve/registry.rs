//! `Registry`: the methods there are now, by path, and the descriptors that describe them. It does not change: another
//! takes its place as a whole, and calls that are under way keep the one they began with.

use std::collections::HashMap;
use std::sync::Arc;

use prost_reflect::{DescriptorPool, ServiceDescriptor};
use tokio::sync::watch;

use super::fault::Fault;
use super::method::Method;

/// Methods and descriptors.
#[derive(Default)]
pub(crate) struct Registry {
    methods: HashMap<String, Arc<Method>>,
    pools: Vec<DescriptorPool>,
}

impl Registry {
    /// Adds methods and the descriptors they come with. Of two methods with one path the first stays.
    pub(crate) fn add(&mut self, pool: DescriptorPool, methods: Vec<Method>) {
        self.pools.push(pool);
        for method in methods {
            self.add_method(method);
        }
    }

    /// Adds a method whose descriptors are there.
    pub(crate) fn add_method(&mut self, method: Method) {
        self.methods
            .entry(method.path.clone())
            .or_insert_with(|| Arc::new(method));
    }

    /// The method of a path.
    pub(crate) fn method(&self, path: &str) -> Result<Arc<Method>, Fault> {
        let method = self.methods.get(path).cloned();
        method.ok_or_else(|| Fault::no_method(path))
    }

    /// Descriptors, of which the first that knows a name is meant.
    pub(crate) fn pools(&self) -> &[DescriptorPool] {
        &self.pools
    }

    /// The services of which at least one method can be called, by name.
    pub(crate) fn services(&self) -> Vec<ServiceDescriptor> {
        let mut services: Vec<ServiceDescriptor> = self
            .pools
            .iter()
            .flat_map(DescriptorPool::services)
            .filter(|service| self.serves(service))
            .collect();
        services.sort_by(|a, b| a.full_name().cmp(b.full_name()));
        services.dedup_by(|a, b| a.full_name() == b.full_name());
        services
    }

    fn serves(&self, service: &ServiceDescriptor) -> bool {
        let path = |name: &str| format!("/{}/{name}", service.full_name());
        service
            .methods()
            .any(|method| self.methods.contains_key(&path(method.name())))
    }
}

/// The registry of now: whoever holds it sees each take the place of the one before.
pub(crate) type Live = watch::Sender<Arc<Registry>>;
