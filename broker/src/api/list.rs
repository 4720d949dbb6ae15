//! The one list of the APIs that are served.

use super::{
    Answer, ApiEntry, api_versions, create_partitions, create_topics, delete_topics,
    describe_cluster, describe_configs, fetch, init_producer_id, list_offsets, metadata, produce,
};

/// An API whose handler is an async function from request to response.
macro_rules! api {
    ($module:ident) => {
        ApiEntry {
            api: $module::API,
            call: |call| {
                Box::pin(async move {
                    let (ctx, request, reply, _memory) = call.decode()?;
                    let response = $module::handle(&ctx, request).await;
                    reply.encode(&response).map(Answer::Ready)
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
        api!(api_versions),
        api!(create_partitions),
        api!(create_topics),
        api!(delete_topics),
        api!(describe_cluster),
        api!(describe_configs),
        api!(fetch),
        api!(init_producer_id),
        api!(list_offsets),
        api!(metadata),
    ]
}
