//! The topics of the cluster as a shard sees them.

use std::sync::Arc;

use weir_coordinator::{TopicInfo, TopicLookup, TopicName};
use weir_protocol::types::Uuid;

use crate::partition::{Topic, TopicTable};

/// The newest committed topics.
pub(super) struct KnownTopics(pub(super) Arc<TopicTable>);

fn info(topic: &Topic) -> TopicInfo {
    TopicInfo {
        id: topic.id(),
        partition_count: topic.partition_count(),
    }
}

impl TopicLookup for KnownTopics {
    fn by_name(&self, name: &str) -> Option<TopicInfo> {
        self.0.by_name(name).map(|topic| info(&topic))
    }

    fn by_id(&self, id: Uuid) -> Option<(TopicName, TopicInfo)> {
        let topic = self.0.by_id(id)?;
        Some((TopicName::new(topic.name()), info(&topic)))
    }
}
