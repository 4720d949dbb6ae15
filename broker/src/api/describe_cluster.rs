//! DescribeCluster (key 60), v0–v2.
//!
//! Differs from Kafka: nothing for broker endpoints; there are no controller endpoints.
//! v1 endpoint type · v2 fenced brokers

use weir_protocol::{
    api_key::ApiKey,
    error_code::ErrorCode,
    messages::{
        DescribeClusterRequest, DescribeClusterResponse,
        describe_cluster_response::DescribeClusterBroker,
    },
    str::Str,
};

use super::{Api, RequestContext};

pub const API: Api = Api::new(ApiKey::DescribeCluster, 0..=2);

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
/// Operations that the cluster resource knows, as a bit field of Kafka's ACL operation codes:
/// Create 5, Alter 7, Describe 8, ClusterAction 9, DescribeConfigs 10, AlterConfigs 11,
/// IdempotentWrite 12.
pub(super) const CLUSTER_OPERATIONS: i32 =
    1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;
/// Operations were not asked for.
pub(super) const OPERATIONS_OMITTED: i32 = i32::MIN;

pub async fn handle(
    ctx: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if ctx.version >= 1 && request.endpoint_type != BROKERS {
        return wrong_endpoint_type(request.endpoint_type);
    }
    let endpoint = ctx.endpoint_of(&ctx.connection);
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: Str::from(ctx.cluster.to_string()),
        controller_id: ctx.node_id(),
        brokers: vec![DescribeClusterBroker {
            broker_id: ctx.node_id(),
            host: Str::from(endpoint.host.clone()),
            port: i32::from(endpoint.port),
            rack: ctx.config.rack.clone().map(Str::from),
            ..Default::default()
        }],
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_OMITTED
        },
        ..Default::default()
    }
}

fn wrong_endpoint_type(endpoint_type: i8) -> DescribeClusterResponse {
    let (code, message) = if endpoint_type == CONTROLLERS {
        (
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER".to_owned(),
        )
    } else {
        (
            ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            format!("Unsupported endpoint type {endpoint_type}"),
        )
    };
    DescribeClusterResponse {
        error_code: code.0,
        error_message: Some(Str::from(message)),
        endpoint_type: BROKERS,
        ..Default::default()
    }
}
