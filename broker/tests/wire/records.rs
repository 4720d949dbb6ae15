//! Short forms for batches, Produce and Fetch.

use bytes::Bytes;
use weir_protocol::{
    messages::{
        FetchRequest, FetchResponse, ProduceRequest,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::PartitionProduceResponse,
    },
    records::{BatchBuilder, Codec},
    str::Str,
    types::{ProducerEpoch, ProducerId, Uuid},
    wire::Records,
};

use crate::client::Client;

/// A topic by both its names; each version takes the one it knows.
#[derive(Clone)]
pub struct Topic {
    pub name: Str,
    pub id: Uuid,
}

pub fn new_topic(client: &mut Client, name: &str, partitions: i32) -> Topic {
    configured_topic(client, name, partitions, &[])
}

pub fn configured_topic(
    client: &mut Client,
    name: &str,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Topic {
    Topic {
        id: client.create_topic(name, partitions, configs),
        name: Str::from_str_copy(name),
    }
}

/// One record with a value of `len` bytes.
pub fn batch(len: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.append(1000, Some(b"key"), Some(&vec![b'v'; len]));
    builder.build().unwrap()
}

/// One record of an idempotent producer.
pub fn sequenced(producer: i64, epoch: i16, sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None).producer(
        ProducerId(producer),
        ProducerEpoch(epoch),
        sequence,
    );
    builder.append(1000, Some(b"key"), Some(b"value"));
    builder.build().unwrap()
}

pub fn produce(topic: &Topic, batches: Vec<(i32, Vec<u8>)>) -> ProduceRequest {
    let data = |(index, records): (i32, Vec<u8>)| PartitionProduceData {
        index,
        records: Some(Records::from(Bytes::from(records))),
        ..Default::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: topic.name.clone(),
            topic_id: topic.id,
            partition_data: batches.into_iter().map(data).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Produces one batch; returns its answer.
pub fn produce_one(
    client: &mut Client,
    version: i16,
    topic: &Topic,
    partition: i32,
    batch: Vec<u8>,
) -> PartitionProduceResponse {
    let request = produce(topic, vec![(partition, batch)]);
    let mut response = client.call(version, &request);
    response.responses.remove(0).partition_responses.remove(0)
}

/// Produces one batch that must be accepted; returns its first offset.
pub fn offset_of(client: &mut Client, topic: &Topic, partition: i32, batch: Vec<u8>) -> i64 {
    let answer = produce_one(client, 9, topic, partition, batch);
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    answer.base_offset
}

/// A fetch without a session that answers at once.
pub fn fetch(topic: &Topic, partitions: &[(i32, i64)]) -> FetchRequest {
    let partition = |(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition: *partition,
        fetch_offset: *fetch_offset,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    FetchRequest {
        max_bytes: 50 << 20,
        min_bytes: 1,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.name.clone(),
            topic_id: topic.id,
            partitions: partitions.iter().map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// All partitions of an answer, in its order.
pub fn fetched(response: &FetchResponse) -> Vec<&PartitionData> {
    let topics = response.responses.iter();
    topics.flat_map(|topic| &topic.partitions).collect()
}

pub fn len(data: &PartitionData) -> usize {
    data.records.as_ref().map_or(0, Records::len)
}
