//! Stored form of topics and configs.

use super::*;
use crate::{
    ids::{PgId, Slot},
    metadata::image::{configs, topics},
    ownership::placement,
};
use weir_protocol::types::PartitionIndex;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigEntry {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Placement {
    #[prost(uint32, tag = "1")]
    pub pg_count: u32,
    #[prost(uint32, tag = "2")]
    pub pg_base: u32,
    #[prost(message, repeated, tag = "3")]
    pub overrides: Vec<PartitionOverride>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct PartitionOverride {
    #[prost(int32, tag = "1")]
    pub partition: i32,
    #[prost(uint32, tag = "2")]
    pub pg: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateTopic {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub id: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub partitions: i32,
    #[prost(message, optional, tag = "4")]
    pub placement: Option<Placement>,
    #[prost(message, repeated, tag = "5")]
    pub configs: Vec<ConfigEntry>,
    #[prost(bool, tag = "6")]
    pub internal: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct DeleteTopic {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct CreatePartitions {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(int32, tag = "2")]
    pub partitions: i32,
    #[prost(message, repeated, tag = "3")]
    pub overrides: Vec<PartitionOverride>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TopicRecord {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub id: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub partitions: i32,
    #[prost(message, optional, tag = "4")]
    pub placement: Option<Placement>,
    #[prost(message, repeated, tag = "5")]
    pub configs: Vec<ConfigEntry>,
    #[prost(bool, tag = "6")]
    pub internal: bool,
    #[prost(uint64, tag = "7")]
    pub created: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigResource {
    #[prost(oneof = "ConfigResourceKind", tags = "1, 2, 3, 4")]
    pub kind: Option<ConfigResourceKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub enum ConfigResourceKind {
    #[prost(bool, tag = "1")]
    ClusterDefault(bool),
    #[prost(uint32, tag = "2")]
    Broker(u32),
    #[prost(string, tag = "3")]
    Group(String),
    #[prost(bytes, tag = "4")]
    Topic(Vec<u8>),
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigChange {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct AlterConfigs {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<ConfigResource>,
    #[prost(bool, tag = "2")]
    pub replace: bool,
    #[prost(message, repeated, tag = "3")]
    pub changes: Vec<ConfigChange>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigRecord {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<ConfigResource>,
    #[prost(message, repeated, tag = "2")]
    pub configs: Vec<ConfigEntry>,
}

fn entries(from: &configs::ConfigValues) -> Vec<ConfigEntry> {
    from.iter()
        .map(|(name, value)| ConfigEntry {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

fn values(from: Vec<ConfigEntry>) -> configs::ConfigValues {
    from.into_iter().map(|e| (e.name, e.value)).collect()
}

fn overrides(from: &[(PartitionIndex, PgId)]) -> Vec<PartitionOverride> {
    from.iter()
        .map(|(partition, pg)| PartitionOverride {
            partition: partition.0,
            pg: pg.0,
        })
        .collect()
}

fn domain_overrides(from: Vec<PartitionOverride>) -> Vec<(PartitionIndex, PgId)> {
    from.into_iter()
        .map(|o| (PartitionIndex(o.partition), PgId(o.pg)))
        .collect()
}

impl From<&placement::Placement> for Placement {
    fn from(from: &placement::Placement) -> Self {
        Placement {
            pg_count: from.pg_count,
            pg_base: from.pg_base.0,
            overrides: overrides(&from.overrides),
        }
    }
}

impl From<Placement> for placement::Placement {
    fn from(from: Placement) -> Self {
        placement::Placement {
            pg_count: from.pg_count,
            pg_base: PgId(from.pg_base),
            overrides: domain_overrides(from.overrides),
        }
    }
}

impl From<&topics::CreateTopic> for CreateTopic {
    fn from(from: &topics::CreateTopic) -> Self {
        CreateTopic {
            name: from.name.to_string(),
            id: from.id.0.to_vec(),
            partitions: from.partitions,
            placement: Some((&from.placement).into()),
            configs: entries(&from.configs),
            internal: from.internal,
        }
    }
}

impl TryFrom<CreateTopic> for topics::CreateTopic {
    type Error = FormatError;

    fn try_from(from: CreateTopic) -> Result<Self, FormatError> {
        Ok(topics::CreateTopic {
            name: from.name.into(),
            id: uuid("topic id", &from.id)?,
            partitions: from.partitions,
            placement: required("placement", from.placement)?.into(),
            configs: values(from.configs),
            internal: from.internal,
        })
    }
}

impl From<&topics::DeleteTopic> for DeleteTopic {
    fn from(from: &topics::DeleteTopic) -> Self {
        DeleteTopic {
            id: from.id.0.to_vec(),
        }
    }
}

impl TryFrom<DeleteTopic> for topics::DeleteTopic {
    type Error = FormatError;

    fn try_from(from: DeleteTopic) -> Result<Self, FormatError> {
        let id = uuid("topic id", &from.id)?;
        Ok(topics::DeleteTopic { id })
    }
}

impl From<&topics::CreatePartitions> for CreatePartitions {
    fn from(from: &topics::CreatePartitions) -> Self {
        CreatePartitions {
            id: from.id.0.to_vec(),
            partitions: from.partitions,
            overrides: overrides(&from.overrides),
        }
    }
}

impl TryFrom<CreatePartitions> for topics::CreatePartitions {
    type Error = FormatError;

    fn try_from(from: CreatePartitions) -> Result<Self, FormatError> {
        Ok(topics::CreatePartitions {
            id: uuid("topic id", &from.id)?,
            partitions: from.partitions,
            overrides: domain_overrides(from.overrides),
        })
    }
}

impl From<&topics::TopicRecord> for TopicRecord {
    fn from(from: &topics::TopicRecord) -> Self {
        TopicRecord {
            name: from.name.to_string(),
            id: from.id.0.to_vec(),
            partitions: from.partitions,
            placement: Some((&from.placement).into()),
            configs: entries(&from.configs),
            internal: from.internal,
            created: from.created.0,
        }
    }
}

impl TryFrom<TopicRecord> for topics::TopicRecord {
    type Error = FormatError;

    fn try_from(from: TopicRecord) -> Result<Self, FormatError> {
        Ok(topics::TopicRecord {
            name: from.name.into(),
            id: uuid("topic id", &from.id)?,
            partitions: from.partitions,
            placement: required("placement", from.placement)?.into(),
            configs: values(from.configs),
            internal: from.internal,
            created: Slot(from.created),
        })
    }
}

impl From<&configs::ConfigResource> for ConfigResource {
    fn from(from: &configs::ConfigResource) -> Self {
        use configs::ConfigResource as Domain;
        let kind = match from {
            Domain::ClusterDefault => ConfigResourceKind::ClusterDefault(true),
            Domain::Broker(id) => ConfigResourceKind::Broker(id.0),
            Domain::Group(name) => ConfigResourceKind::Group(name.clone()),
            Domain::Topic(id) => ConfigResourceKind::Topic(id.0.to_vec()),
        };
        ConfigResource { kind: Some(kind) }
    }
}

impl TryFrom<ConfigResource> for configs::ConfigResource {
    type Error = FormatError;

    fn try_from(from: ConfigResource) -> Result<Self, FormatError> {
        use configs::ConfigResource as Domain;
        Ok(match required("config resource", from.kind)? {
            ConfigResourceKind::ClusterDefault(_) => Domain::ClusterDefault,
            ConfigResourceKind::Broker(id) => Domain::Broker(BrokerId(id)),
            ConfigResourceKind::Group(name) => Domain::Group(name),
            ConfigResourceKind::Topic(id) => Domain::Topic(uuid("topic id", &id)?),
        })
    }
}

impl From<&configs::AlterConfigs> for AlterConfigs {
    fn from(from: &configs::AlterConfigs) -> Self {
        let changes = from.changes.iter().map(|(name, value)| ConfigChange {
            name: name.clone(),
            value: value.clone(),
        });
        AlterConfigs {
            resource: Some((&from.resource).into()),
            replace: from.replace,
            changes: changes.collect(),
        }
    }
}

impl TryFrom<AlterConfigs> for configs::AlterConfigs {
    type Error = FormatError;

    fn try_from(from: AlterConfigs) -> Result<Self, FormatError> {
        let changes = from.changes.into_iter().map(|c| (c.name, c.value));
        Ok(configs::AlterConfigs {
            resource: required("config resource", from.resource)?.try_into()?,
            replace: from.replace,
            changes: changes.collect(),
        })
    }
}

impl ConfigRecord {
    pub fn new(resource: &configs::ConfigResource, from: &configs::ConfigValues) -> Self {
        ConfigRecord {
            resource: Some(resource.into()),
            configs: entries(from),
        }
    }

    pub fn into_domain(
        self,
    ) -> Result<(configs::ConfigResource, configs::ConfigValues), FormatError> {
        let resource = required("config resource", self.resource)?.try_into()?;
        Ok((resource, values(self.configs)))
    }
}
