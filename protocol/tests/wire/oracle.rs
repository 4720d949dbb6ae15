//! Against the crate kafka-protocol, which was generated from Kafka's own files by other people.

use crate::choices::{Choices, encode};
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;
use weir_protocol::message::Message;
use weir_protocol_codegen::{protocol_dir, read_schemas, schema};

/// The messages that both know. Without LeaderChangeMessage and VotersRecord: the crate confuses the
/// versions of their structs (0.18), and the golden vectors show how Kafka writes them.
macro_rules! known_to_both {
    ($apply:ident) => {
        $apply! {
        AddOffsetsToTxnRequest,
        AddOffsetsToTxnResponse,
        AddPartitionsToTxnRequest,
        AddPartitionsToTxnResponse,
        AddRaftVoterRequest,
        AddRaftVoterResponse,
        AllocateProducerIdsRequest,
        AllocateProducerIdsResponse,
        AlterClientQuotasRequest,
        AlterClientQuotasResponse,
        AlterConfigsRequest,
        AlterConfigsResponse,
        AlterPartitionReassignmentsRequest,
        AlterPartitionReassignmentsResponse,
        AlterReplicaLogDirsRequest,
        AlterReplicaLogDirsResponse,
        AlterShareGroupOffsetsRequest,
        AlterShareGroupOffsetsResponse,
        AlterUserScramCredentialsRequest,
        AlterUserScramCredentialsResponse,
        ApiVersionsRequest,
        ApiVersionsResponse,
        BrokerHeartbeatRequest,
        BrokerHeartbeatResponse,
        BrokerRegistrationRequest,
        BrokerRegistrationResponse,
        ConsumerGroupDescribeRequest,
        ConsumerGroupDescribeResponse,
        ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse,
        ConsumerProtocolAssignment,
        ConsumerProtocolSubscription,
        CreateAclsRequest,
        CreateAclsResponse,
        CreateDelegationTokenRequest,
        CreateDelegationTokenResponse,
        CreatePartitionsRequest,
        CreatePartitionsResponse,
        CreateTopicsRequest,
        CreateTopicsResponse,
        DeleteAclsRequest,
        DeleteAclsResponse,
        DeleteGroupsRequest,
        DeleteGroupsResponse,
        DeleteRecordsRequest,
        DeleteRecordsResponse,
        DeleteShareGroupOffsetsRequest,
        DeleteShareGroupOffsetsResponse,
        DeleteShareGroupStateRequest,
        DeleteShareGroupStateResponse,
        DeleteTopicsRequest,
        DeleteTopicsResponse,
        DescribeAclsRequest,
        DescribeAclsResponse,
        DescribeClientQuotasRequest,
        DescribeClientQuotasResponse,
        DescribeClusterRequest,
        DescribeClusterResponse,
        DescribeConfigsRequest,
        DescribeConfigsResponse,
        DescribeDelegationTokenRequest,
        DescribeDelegationTokenResponse,
        DescribeGroupsRequest,
        DescribeGroupsResponse,
        DescribeLogDirsRequest,
        DescribeLogDirsResponse,
        DescribeProducersRequest,
        DescribeProducersResponse,
        DescribeQuorumRequest,
        DescribeQuorumResponse,
        DescribeShareGroupOffsetsRequest,
        DescribeShareGroupOffsetsResponse,
        DescribeTopicPartitionsRequest,
        DescribeTopicPartitionsResponse,
        DescribeTransactionsRequest,
        DescribeTransactionsResponse,
        DescribeUserScramCredentialsRequest,
        DescribeUserScramCredentialsResponse,
        ElectLeadersRequest,
        ElectLeadersResponse,
        EndTxnMarker,
        EndTxnRequest,
        EndTxnResponse,
        EnvelopeRequest,
        EnvelopeResponse,
        ExpireDelegationTokenRequest,
        ExpireDelegationTokenResponse,
        FetchRequest,
        FetchResponse,
        FindCoordinatorRequest,
        FindCoordinatorResponse,
        GetTelemetrySubscriptionsRequest,
        GetTelemetrySubscriptionsResponse,
        HeartbeatRequest,
        HeartbeatResponse,
        IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse,
        InitProducerIdRequest,
        InitProducerIdResponse,
        InitializeShareGroupStateRequest,
        InitializeShareGroupStateResponse,
        JoinGroupRequest,
        JoinGroupResponse,
        LeaveGroupRequest,
        LeaveGroupResponse,
        ListConfigResourcesRequest,
        ListConfigResourcesResponse,
        ListGroupsRequest,
        ListGroupsResponse,
        ListOffsetsRequest,
        ListOffsetsResponse,
        ListPartitionReassignmentsRequest,
        ListPartitionReassignmentsResponse,
        ListTransactionsRequest,
        ListTransactionsResponse,
        MetadataRequest,
        MetadataResponse,
        OffsetCommitRequest,
        OffsetCommitResponse,
        OffsetDeleteRequest,
        OffsetDeleteResponse,
        OffsetFetchRequest,
        OffsetFetchResponse,
        OffsetForLeaderEpochRequest,
        OffsetForLeaderEpochResponse,
        ProduceRequest,
        ProduceResponse,
        PushTelemetryRequest,
        PushTelemetryResponse,
        ReadShareGroupStateRequest,
        ReadShareGroupStateResponse,
        ReadShareGroupStateSummaryRequest,
        ReadShareGroupStateSummaryResponse,
        RemoveRaftVoterRequest,
        RemoveRaftVoterResponse,
        RenewDelegationTokenRequest,
        RenewDelegationTokenResponse,
        RequestHeader,
        ResponseHeader,
        SaslAuthenticateRequest,
        SaslAuthenticateResponse,
        SaslHandshakeRequest,
        SaslHandshakeResponse,
        ShareAcknowledgeRequest,
        ShareAcknowledgeResponse,
        ShareFetchRequest,
        ShareFetchResponse,
        ShareGroupDescribeRequest,
        ShareGroupDescribeResponse,
        ShareGroupHeartbeatRequest,
        ShareGroupHeartbeatResponse,
        SnapshotFooterRecord,
        SnapshotHeaderRecord,
        SyncGroupRequest,
        SyncGroupResponse,
        TxnOffsetCommitRequest,
        TxnOffsetCommitResponse,
        UnregisterBrokerRequest,
        UnregisterBrokerResponse,
        UpdateFeaturesRequest,
        UpdateFeaturesResponse,
        WriteShareGroupStateRequest,
        WriteShareGroupStateResponse,
        WriteTxnMarkersRequest,
        WriteTxnMarkersResponse,
        }
    };
}

/// Ours reads the bytes and writes them again.
fn ours<M: Message>(bytes: &Bytes, version: i16) -> TestCaseResult {
    let decoded = M::from_bytes(bytes.clone(), version);
    let decoded = decoded.map_err(|e| TestCaseError::fail(e.to_string()))?;
    let again = decoded.to_bytes(version);
    prop_assert_eq!(again.as_ref(), Ok(bytes), "{:?}", decoded);
    Ok(())
}

fn theirs_fails(error: &dyn std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(format!("theirs: {error}"))
}

/// Theirs does. `false` when it does not know the version.
fn theirs<M: Decodable + Encodable + kafka_protocol::protocol::Message>(
    bytes: &Bytes,
    version: i16,
) -> Result<bool, TestCaseError> {
    if !(M::VERSIONS.min..=M::VERSIONS.max).contains(&version) {
        return Ok(false);
    }
    let mut rest = bytes.clone();
    let decoded = M::decode(&mut rest, version).map_err(|e| theirs_fails(&e))?;
    prop_assert!(rest.is_empty(), "theirs leaves bytes: {:?}", rest);
    let mut again = BytesMut::new();
    decoded
        .encode(&mut again, version)
        .map_err(|e| theirs_fails(&e))?;
    prop_assert_eq!(&again.freeze(), bytes, "theirs writes otherwise");
    Ok(true)
}

/// Whether theirs was asked too.
fn both(name: &str, bytes: &Bytes, version: i16) -> Result<bool, TestCaseError> {
    macro_rules! ours_by_name {
        ($($message:ident,)*) => {
            match name {
                $(stringify!($message) => ours::<weir_protocol::messages::$message>(bytes, version)?,)*
                other => panic!("no type for {other}"),
            }
        };
    }
    macro_rules! theirs_by_name {
        ($($message:ident,)*) => {
            match name {
                $(stringify!($message) => theirs::<kafka_protocol::messages::$message>(bytes, version),)*
                _ => Ok(false),
            }
        };
    }
    weir_protocol::for_each_message!(ours_by_name);
    known_to_both!(theirs_by_name)
}

/// Every message in every version, with random values: ours reads and writes the bytes that an
/// interpreter of the schema made, and so does theirs where it knows the version.
#[test]
fn random_messages_are_read_and_written_as_the_schema_and_another_codec_say() {
    let schemas = read_schemas(&protocol_dir()).unwrap();
    let compared = RefCell::new(BTreeMap::new());
    let mut failures = Vec::new();
    for message in &schemas {
        for version in message.versions.iter() {
            let config = Config {
                cases: 12,
                failure_persistence: None,
                max_shrink_iters: 2000,
                ..Config::default()
            };
            let mut runner = TestRunner::new_with_rng(config, rng(message, version));
            let outcome = runner.run(&proptest::collection::vec(any::<u8>(), 0..600), |stream| {
                let bytes = Bytes::from(encode(message, version, &mut Choices(&stream)));
                let by_theirs = both(message.name(), &bytes, version)?;
                compared
                    .borrow_mut()
                    .insert((message.name(), version), by_theirs);
                Ok(())
            });
            if let Err(error) = outcome {
                failures.push(format!("{} v{version}: {error}", message.name()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let compared = compared.into_inner();
    let by_theirs = compared.values().filter(|asked| **asked).count();
    assert!(compared.len() > 600, "canary: {} versions", compared.len());
    assert!(
        by_theirs > 450,
        "canary: {by_theirs} versions by the oracle"
    );
}

/// The same cases in every run.
fn rng(message: &schema::Message, version: i16) -> proptest::test_runner::TestRng {
    let mut seed = [0; 32];
    for (i, byte) in message.name().bytes().enumerate() {
        seed[i % 30] ^= byte;
    }
    seed[30..].copy_from_slice(&version.to_be_bytes());
    proptest::test_runner::TestRng::from_seed(proptest::test_runner::RngAlgorithm::ChaCha, &seed)
}
