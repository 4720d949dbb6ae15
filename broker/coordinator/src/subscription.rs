//! The one thing that the coordinator reads inside a member's opaque metadata: the topics of a
//! "consumer" subscription.

use bytes::{Buf, Bytes};
use weir_protocol::message::Message;
use weir_protocol::messages::ConsumerProtocolSubscription;
use weir_protocol::wire::Reader;

use crate::ids::TopicName;

/// The subscribed topics, or `None` when the bytes are not a subscription. Every version begins
/// like version 0, so newer ones are read as far as that goes.
pub(crate) fn topics(metadata: &Bytes) -> Option<Vec<TopicName>> {
    let mut metadata = metadata.clone();
    if metadata.remaining() < 2 || metadata.get_i16() < 0 {
        return None;
    }
    let subscription = ConsumerProtocolSubscription::decode(&mut Reader::new(metadata), 0).ok()?;
    Some(
        subscription
            .topics
            .iter()
            .map(|t| TopicName::new(t))
            .collect(),
    )
}
