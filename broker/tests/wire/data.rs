//! Short forms for producing and fetching, whatever way a version names topics.

use bytes::Bytes;
use weir_protocol::{
    messages::{
        FetchRequest, FetchResponse, ProduceRequest,
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
        fetch_response::PartitionData,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::PartitionProduceResponse,
    },
    records::{BatchBuilder, Codec, split_batches},
    str::Str,
    types::{ProducerEpoch, ProducerId, Uuid},
    wire::Records,
};

use crate::client::Client;

/// CreateTime of the first record of a batch; the others follow a millisecond apart.
pub const TIME_MS: i64 = 1_700_000_000_000;

/// A topic by name and id; each version takes what it knows.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: Str,
    pub id: Uuid,
}

impl Topic {
    pub fn create(client: &mut Client, name: &str, configs: &[(&str, &str)]) -> Topic {
        Topic {
            id: client.create_topic(name, 2, configs),
            name: Str::from_str_copy(name),
        }
    }

    pub fn unknown() -> Topic {
        Topic {
            name: Str::from("missing"),
            id: Uuid([9; 16]),
        }
    }

    pub fn produce(&self, acks: i16, partition: i32, records: Vec<u8>) -> ProduceRequest {
        ProduceRequest {
            transactional_id: None,
            acks,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: self.name.clone(),
                topic_id: self.id,
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Some(Records::from(Bytes::from(records))),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    pub fn fetch(&self, partitions: &[FetchPartition]) -> FetchTopic {
        FetchTopic {
            topic: self.name.clone(),
            topic_id: self.id,
            partitions: partitions.to_vec(),
            ..Default::default()
        }
    }

    pub fn forget(&self, partitions: &[i32]) -> ForgottenTopic {
        ForgottenTopic {
            topic: self.name.clone(),
            topic_id: self.id,
            partitions: partitions.to_vec(),
            ..Default::default()
        }
    }
}

pub fn builder() -> BatchBuilder {
    BatchBuilder::new(Codec::None)
}

/// The batch of `builder` with these values.
pub fn fill(mut builder: BatchBuilder, values: &[&str]) -> Vec<u8> {
    for (i, value) in values.iter().enumerate() {
        builder.append(TIME_MS + i as i64, Some(b"k"), Some(value.as_bytes()));
    }
    builder.build().unwrap()
}

pub fn batch(values: &[&str]) -> Vec<u8> {
    fill(builder(), values)
}

/// A batch of an idempotent producer.
pub fn sequenced(producer: i64, epoch: i16, sequence: i32, values: &[&str]) -> Vec<u8> {
    let builder = builder().producer(ProducerId(producer), ProducerEpoch(epoch), sequence);
    fill(builder, values)
}

/// Produces and returns the answer for the only partition.
pub fn produced(
    client: &mut Client,
    version: i16,
    request: &ProduceRequest,
) -> PartitionProduceResponse {
    let mut response = client.call(version, request);
    assert_eq!(response.responses.len(), 1);
    let mut topic = response.responses.remove(0);
    assert_eq!(topic.partition_responses.len(), 1);
    topic.partition_responses.remove(0)
}

/// Appends to partition 0 and returns the base offset.
pub fn append(client: &mut Client, topic: &Topic, records: Vec<u8>) -> i64 {
    let answer = produced(client, 13, &topic.produce(-1, 0, records));
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    answer.base_offset
}

pub fn from_offset(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    }
}

/// Without a session and without waiting.
pub fn fetch_request(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest {
        max_bytes: 1 << 20,
        topics,
        ..Default::default()
    }
}

/// Fetches one partition of one topic without a session.
pub fn fetched(
    client: &mut Client,
    version: i16,
    topic: &Topic,
    partition: FetchPartition,
) -> PartitionData {
    let request = fetch_request(vec![topic.fetch(&[partition])]);
    let response = client.call(version, &request);
    assert_eq!(
        (response.error_code, response.session_id),
        (0, 0),
        "v{version}"
    );
    only_partition(response)
}

pub fn only_partition(mut response: FetchResponse) -> PartitionData {
    assert_eq!(response.responses.len(), 1, "{response:?}");
    let mut topic = response.responses.remove(0);
    assert_eq!(topic.partitions.len(), 1);
    topic.partitions.remove(0)
}

/// Offset and value of each record.
pub fn values(data: &PartitionData) -> Vec<(i64, String)> {
    let bytes = data.records.clone().unwrap_or_default().into_bytes();
    let mut found = Vec::new();
    for batch in split_batches(&bytes) {
        let batch = batch.unwrap();
        assert!(batch.crc_is_valid());
        batch
            .with_records(1 << 20, |records| {
                for record in records {
                    let record = record.unwrap();
                    let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                    found.push((batch.header().offset_of(record.offset_delta).0, value));
                }
            })
            .unwrap();
    }
    found
}

pub fn pairs(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    let pair = |(offset, value): &(i64, &str)| (*offset, (*value).to_owned());
    expected.iter().map(pair).collect()
}
