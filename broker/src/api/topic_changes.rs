//! What the APIs that change topics share: rules for names and manual assignments in Kafka's words,
//! and carrying the commands out.
//!
//! Owns: limits per request, the wait for the metadata log. Does not own: what a single API checks.
//! Invariant: an answer leaves only after its entry is committed, or after the client's own time-out;
//! then the change may still happen, as in Kafka.

use std::{collections::BTreeSet, time::Duration};

use weir_protocol::error_code::ErrorCode;
use weir_tiering::metadata::{
    Command, Image, entry::ENTRY_COMMANDS_MAX, image::topics::MAX_NAME_LEN,
};

use super::RequestContext;
use crate::error_code::KafkaError;

/// Most partitions that one request may add: ReplicationControlManager.MAX_PARTITIONS_PER_BATCH.
pub(super) const PARTITIONS_PER_REQUEST_MAX: i64 = 10_000;
/// The replicas that Metadata shows of every partition: its owner.
pub(super) const REPLICAS: usize = 1;

/// What Kafka says of a name that is not allowed (org.apache.kafka.common.internals.Topic).
pub(super) fn check_name(name: &str) -> Result<(), KafkaError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.encode_utf16().count() > MAX_NAME_LEN => {
            format!("the length of '{name}' is longer than the max allowed length {MAX_NAME_LEN}")
        }
        _ if !name.bytes().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ),
        _ => return Ok(()),
    };
    Err(KafkaError::new(
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        format!("Topic name is invalid: {reason}"),
    ))
}

/// What stands more than once in a request.
pub(super) fn repeated<T: Ord>(all: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    let mut repeated = BTreeSet::new();
    for one in all {
        if let Some(again) = seen.replace(one) {
            repeated.insert(again);
        }
    }
    repeated
}

pub(super) fn repeated_name() -> KafkaError {
    KafkaError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.")
}

/// Brokers that may hold a partition.
pub(super) fn live_brokers(image: &Image) -> BTreeSet<i32> {
    let active = image.incarnations.active();
    active
        .map(|record| record.registration.broker.0 as i32)
        .collect()
}

/// Checks the replicas that a client chose for one partition. They may name live brokers only, and
/// are not stored: any owner serves a partition equally well. `replicas` is how many the partitions
/// before have.
pub(super) fn check_assignment(
    brokers: &[i32],
    live: &BTreeSet<i32>,
    replicas: Option<usize>,
) -> Result<(), KafkaError> {
    let bad = |what: String| {
        let message = format!("The manual partition assignment includes {what}");
        Err(KafkaError::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            message,
        ))
    };
    if brokers.is_empty() {
        return bad("an empty replica list.".to_owned());
    }
    if let Some(unknown) = brokers.iter().filter(|id| !live.contains(*id)).min() {
        return bad(format!(
            "broker {unknown}, but no such broker is registered."
        ));
    }
    if let Some(twice) = repeated(brokers.iter()).first() {
        return bad(format!("the broker {twice} more than once."));
    }
    match replicas {
        Some(before) if before != brokers.len() => bad(format!(
            "a partition with {} replica(s), but this is not consistent with previous partitions, \
             which have {before} replica(s).",
            brokers.len()
        )),
        _ => Ok(()),
    }
}

/// Carries the commands out, all in one entry if one can hold them, or only tries them on a copy of
/// the metadata. One result per command; a success is durable and visible to the next request.
pub(super) async fn apply(
    ctx: &RequestContext,
    commands: Vec<Command>,
    timeout_ms: i32,
    validate_only: bool,
) -> Vec<Result<(), KafkaError>> {
    if validate_only {
        let mut image = Image::clone(&ctx.image());
        let slot = image.next_slot;
        let attempt = |command| match image.apply(command, slot) {
            Ok(_) => Ok(()),
            Err(rejected) => Err(KafkaError::from(&rejected)),
        };
        return commands.iter().map(attempt).collect();
    }
    let count = commands.len();
    let limit = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    // The writer of the log goes on with what it got when this wait ends.
    let appended = ctx.env.timeout(limit, append(ctx, commands)).await;
    appended.unwrap_or_else(|_| {
        let late = KafkaError::new(ErrorCode::REQUEST_TIMED_OUT, "The request timed out.");
        vec![Err(late); count]
    })
}

async fn append(ctx: &RequestContext, commands: Vec<Command>) -> Vec<Result<(), KafkaError>> {
    let mut results = Vec::with_capacity(commands.len());
    let mut commands = commands.into_iter();
    loop {
        let entry: Vec<Command> = commands.by_ref().take(ENTRY_COMMANDS_MAX).collect();
        let count = entry.len();
        if count == 0 {
            break;
        }
        match ctx.metadata.append(entry).await {
            Ok(outcomes) => results.extend(outcomes.into_iter().map(|outcome| match outcome {
                Ok(_) => Ok(()),
                Err(rejected) => Err(KafkaError::from(&rejected)),
            })),
            Err(error) => results.extend(vec![Err(KafkaError::from(&error)); count]),
        }
    }
    // Logs of deleted topics end here, so that fetches parked on them wake.
    ctx.topics();
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_in_kafkas_words() {
        let long = "a".repeat(250);
        let cases = [
            ("", "the empty string is not allowed".to_owned()),
            (".", "'.' is not allowed".to_owned()),
            ("..", "'..' is not allowed".to_owned()),
            (
                &*long,
                format!("the length of '{long}' is longer than the max allowed length 249"),
            ),
            (
                "a b",
                "'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
                    .to_owned(),
            ),
        ];
        for (name, reason) in cases {
            let error = check_name(name).unwrap_err();
            assert_eq!(error.code, ErrorCode::INVALID_TOPIC_EXCEPTION);
            assert_eq!(error.message, format!("Topic name is invalid: {reason}"));
        }
        for name in ["a", "...", "_", "A.b_c-1", &"a".repeat(249)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn assignments_name_live_brokers_once_each() {
        let live = BTreeSet::from([1, 2]);
        let check = |brokers: &[i32], replicas| {
            check_assignment(brokers, &live, replicas).map_err(|error| error.message)
        };
        assert_eq!(check(&[2, 1], Some(2)), Ok(()));
        for (brokers, replicas, end) in [
            (&[][..], None, "an empty replica list."),
            (&[1, 3], None, "broker 3, but no such broker is registered."),
            (&[1, 1], None, "the broker 1 more than once."),
            (
                &[1],
                Some(2),
                "a partition with 1 replica(s), but this is not consistent with previous partitions, which have 2 replica(s).",
            ),
        ] {
            let message = check(brokers, replicas).unwrap_err();
            assert!(message.ends_with(end), "{message}");
        }
    }

    #[test]
    fn repeated_finds_what_stands_twice() {
        let found = repeated(["a", "b", "a", "c", "a", "b"].into_iter());
        assert_eq!(found, BTreeSet::from(["a", "b"]));
    }
}
