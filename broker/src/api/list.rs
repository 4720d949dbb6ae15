//! The one list of the APIs that are served.

use super::{
    Answer, ApiEntry, api_versions, create_partitions, create_topics, delete_groups, delete_topics,
    describe_cluster, describe_configs, describe_groups, fetch, find_coordinator, heartbeat,
    init_producer_id, join_group, leave_group, list_groups, list_offsets, metadata, offset_commit,
    offset_delete, offset_fetch, produce, sync_group,
};

/// An API whose handler is an async function from request to response.
macro_rules! api {
    ($module:ident) => {
        ApiEntry {
            api: $module::API,
            call: |call| {
                Box::pin(async move {
                    let (ctx, request, reply) = call.decode().await?;
                    let response = $module::handle(&ctx, request).await;
                    reply.finish(&ctx, &response).await.map(Answer::Ready)
                })
            },
        }
    };
}

/// Every API that is served, in no particular order.
pub fn all() -> Vec<ApiEntry> {
    vec![
        ApiEntry {
            api: produce::API,
            call: produce::call,
        },
        ApiEntry {
            api: fetch::API,
            call: fetch::call,
        },
        api!(api_versions),
        api!(create_partitions),
        api!(create_topics),
        api!(delete_groups),
        api!(delete_topics),
        api!(describe_cluster),
        api!(describe_configs),
        api!(describe_groups),
        api!(find_coordinator),
        api!(heartbeat),
        api!(init_producer_id),
        api!(join_group),
        api!(leave_group),
        api!(list_groups),
        api!(list_offsets),
        api!(metadata),
        api!(offset_commit),
        api!(offset_delete),
        api!(offset_fetch),
        api!(sync_group),
    ]
}
