//! Config overrides of the cluster, of brokers and of groups. Those of topics live in the topic's
//! record (`topics`); [`AlterConfigs`] addresses all of them.
//!
//! Stored as text. Whether a key exists and a value is allowed is checked by the caller, who has the
//! config declarations; readers ignore keys that they do not know.

use std::{collections::BTreeMap, sync::Arc};

use weir_protocol::types::Uuid;

use super::CommandRejected;
use crate::{
    ids::BrokerId,
    metadata::{
        cow_map::CowMap,
        hash::StateHash,
        proto::{self, RecordKind, SnapshotRecord},
    },
};

/// Name → value.
pub type ConfigValues = BTreeMap<String, String>;

const MAX_NAME_LEN: usize = 255;
const MAX_CONFIGS_PER_RESOURCE: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigResource {
    ClusterDefault,
    Broker(BrokerId),
    Group(String),
    Topic(Uuid),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterConfigs {
    pub resource: ConfigResource,
    /// Forget all that the resource had, before the changes.
    pub replace: bool,
    /// Applied in order; `None` deletes.
    pub changes: Vec<(String, Option<String>)>,
}

impl AlterConfigs {
    /// What the resource has afterwards.
    pub(super) fn applied_to(
        &self,
        current: Option<&ConfigValues>,
    ) -> Result<ConfigValues, CommandRejected> {
        let mut values = match current {
            Some(current) if !self.replace => current.clone(),
            _ => ConfigValues::new(),
        };
        for (name, value) in &self.changes {
            match value {
                Some(value) => values.insert(name.clone(), value.clone()),
                None => values.remove(name),
            };
        }
        check_values(&values)?;
        Ok(values)
    }
}

pub(super) fn check_values(values: &ConfigValues) -> Result<(), CommandRejected> {
    let bad = |name: &&String| name.is_empty() || name.len() > MAX_NAME_LEN;
    if let Some(name) = values.keys().find(bad) {
        return Err(CommandRejected::InvalidConfig(name.clone()));
    }
    if values.len() > MAX_CONFIGS_PER_RESOURCE {
        let message = format!("more than {MAX_CONFIGS_PER_RESOURCE} configs");
        return Err(CommandRejected::InvalidConfig(message));
    }
    Ok(())
}

#[derive(Clone, Debug, Default)]
pub struct ConfigsImage {
    resources: CowMap<ConfigResource, Arc<ConfigValues>>,
    hash: StateHash,
}

impl ConfigsImage {
    /// Overrides of a resource; `None` when it has none. Topics are not here.
    pub fn get(&self, resource: &ConfigResource) -> Option<&Arc<ConfigValues>> {
        self.resources.get(resource)
    }

    /// Resources that have overrides.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    pub(super) fn alter(&mut self, command: &AlterConfigs) -> Result<(), CommandRejected> {
        if matches!(&command.resource, ConfigResource::Group(name) if name.is_empty()) {
            return Err(CommandRejected::InvalidConfig("group ''".into()));
        }
        let current = self.resources.get(&command.resource);
        let values = command.applied_to(current.map(|values| &**values))?;
        self.put(command.resource.clone(), values);
        Ok(())
    }

    fn put(&mut self, resource: ConfigResource, values: ConfigValues) {
        let old = if values.is_empty() {
            self.resources.remove(&resource)
        } else {
            self.hash.add(&stored(&resource, &values));
            self.resources.insert(resource.clone(), Arc::new(values))
        };
        if let Some(old) = old {
            self.hash.remove(&stored(&resource, &old));
        }
    }

    /// Adds a record of a snapshot; `false` when the resource is there already or cannot be here.
    pub(super) fn restore(&mut self, resource: ConfigResource, values: ConfigValues) -> bool {
        let known = self.resources.get(&resource).is_some();
        let impossible = values.is_empty() || matches!(resource, ConfigResource::Topic(_));
        if known || impossible {
            return false;
        }
        self.put(resource, values);
        true
    }

    pub(super) fn hash(&self) -> StateHash {
        self.hash
    }

    pub(super) fn records(&self) -> impl Iterator<Item = SnapshotRecord> {
        let mut all: Vec<_> = self.resources.iter().collect();
        all.sort_unstable_by_key(|(resource, _)| *resource);
        all.into_iter()
            .map(|(resource, values)| stored(resource, values))
    }
}

/// The resources whose overrides differ between two images, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigsDelta {
    pub changed: Vec<ConfigResource>,
}

impl ConfigsDelta {
    pub fn between(old: &ConfigsImage, new: &ConfigsImage) -> ConfigsDelta {
        let differences = new.resources.differences(&old.resources);
        let mut changed: Vec<_> = differences.iter().map(|d| d.key.clone()).collect();
        changed.sort_unstable();
        ConfigsDelta { changed }
    }
}

fn stored(resource: &ConfigResource, values: &ConfigValues) -> SnapshotRecord {
    RecordKind::Config(proto::ConfigRecord::new(resource, values)).into()
}
