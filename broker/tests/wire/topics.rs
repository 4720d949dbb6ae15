//! Short forms for requests about topics.

use weir_protocol::{
    messages::{
        CreateTopicsRequest, CreateTopicsResponse,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
    },
    str::Str,
};

use crate::client::Client;

pub fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic {
        name: Str::from_str_copy(name),
        num_partitions: partitions,
        replication_factor: replicas,
        ..Default::default()
    }
}

pub fn with_config(mut topic: CreatableTopic, name: &str, value: Option<&str>) -> CreatableTopic {
    topic.configs.push(CreatableTopicConfig {
        name: Str::from_str_copy(name),
        value: value.map(Str::from_str_copy),
        ..Default::default()
    });
    topic
}

pub fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |(index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index: *index,
        broker_ids: brokers.to_vec(),
        ..Default::default()
    };
    CreatableTopic {
        assignments: assignments.iter().map(assignment).collect(),
        ..topic(name, -1, -1)
    }
}

/// Text of a nullable field.
pub fn text(message: &Option<Str>) -> Option<&str> {
    message.as_deref()
}

pub fn create(
    client: &mut Client,
    version: i16,
    topics: Vec<CreatableTopic>,
) -> CreateTopicsResponse {
    let request = CreateTopicsRequest {
        topics,
        timeout_ms: 30_000,
        ..Default::default()
    };
    client.call(version, &request)
}

/// (error code, message) of the only topic.
pub fn outcome(response: &CreateTopicsResponse) -> (i16, Option<&str>) {
    let [topic] = &response.topics[..] else {
        panic!("one topic: {response:?}");
    };
    (topic.error_code, text(&topic.error_message))
}
