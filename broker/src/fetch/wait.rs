//! Reads until there are `min_bytes`, the time is over, or a partition has something to say that
//! cannot wait (KIP-74; an error answers at once).
//!
//! Owns: when a fetch reads, waits and ends, and the memory of its records. Does not own: what one
//! look brings (`pass`). A fetch that waits holds no records and no memory for them.

use std::time::Duration;

use weir_tiering::{budget::Permit, log::Waker};

use super::{
    pass::{Found, Limits, Pass, Target, find_all, memory_of},
    session::FetchPartition,
};
use crate::api::RequestContext;

/// A client that waits longer than this gets an empty answer and asks again.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// How long a fetch that could answer waits for memory.
const MEMORY_WAIT_MAX: Duration = Duration::from_secs(10);
/// Part of the answers' memory that one fetch may take.
const MEMORY_SHARE: usize = 4;

/// Request fields that hold for all partitions.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub bytes_max: usize,
    pub bytes_min: usize,
    pub wait: Duration,
}

/// In the order of the request's partitions.
#[derive(Debug, Default)]
pub struct Fetched {
    pub found: Vec<Found>,
    /// Of the records, until they are written.
    pub memory: Vec<Permit>,
}

/// See the module.
pub async fn fetch_until_enough(
    ctx: &RequestContext,
    wanted: &[FetchPartition],
    terms: &Terms,
) -> Fetched {
    let targets = find_all(&ctx.topics(), wanted);
    let limits = Limits {
        bytes_max: terms
            .bytes_max
            .min(ctx.memory.bytes.capacity() / MEMORY_SHARE),
    };
    // As Kafka: never more than may be returned.
    let bytes_min = terms.bytes_min.min(limits.bytes_max);
    let waker = Waker::default();
    let mut waiting = Vec::new();
    let mut over = std::pin::pin!(async {
        tokio::select! {
            biased;
            () = ctx.env.clock.sleep(terms.wait.min(WAIT_MAX)) => {}
            () = ctx.env.tasks.stopping() => {}
        }
    });
    let mut is_over = terms.wait.is_zero() || wanted.is_empty();
    loop {
        let pass = Pass::begin(wanted, &targets, limits);
        if is_over || pass.is_urgent || pass.enough >= bytes_min {
            return take(ctx, wanted, &targets, limits, pass).await;
        }
        drop(pass);
        if waiting.is_empty() {
            // Registered before the second look, so that nothing is missed in between.
            let logs = targets.iter().filter_map(|target| target.as_ref().ok());
            waiting = logs.map(|log| log.wait(&waker)).collect();
            continue;
        }
        tokio::select! {
            biased;
            () = waker.notified() => {}
            () = &mut over => is_over = true,
        }
    }
}

/// Completes a pass with memory for what it brings. Without memory in time, the answer has no
/// records.
async fn take(
    ctx: &RequestContext,
    wanted: &[FetchPartition],
    targets: &[Target],
    limits: Limits,
    mut pass: Pass,
) -> Fetched {
    let is_cold = pass.has_cold;
    let pool = if is_cold {
        &ctx.memory.cold_bytes
    } else {
        &ctx.memory.bytes
    };
    let _turn = match is_cold {
        true => Some(ctx.memory.cold_fetches.acquire(1).await),
        false => None,
    };
    let mut permit = pool.try_acquire(pass.memory());
    if permit.is_none() {
        let missing = pass.memory();
        // What a waiting fetch refers to would be nobody's memory.
        drop(pass);
        permit = ctx
            .env
            .timeout(MEMORY_WAIT_MAX, pool.acquire(missing))
            .await
            .ok();
        pass = Pass::begin(wanted, targets, limits);
    }
    let Some(mut permit) = permit else {
        return Fetched {
            found: pass.without_records(),
            memory: Vec::new(),
        };
    };
    let reserved = pass.memory();
    let found = pass.complete(&ctx.cold).await;
    let needed = memory_of(&found);
    permit.shrink(needed);
    // A first batch that is larger than what was asked for, as KIP-74 has it.
    let more = needed
        .checked_sub(reserved)
        .and_then(|more| pool.try_acquire(more));
    Fetched {
        found,
        memory: std::iter::once(permit).chain(more).collect(),
    }
}
