//! Consumer groups: join, leave, crash, static members, commit and resume.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    harness::{
        suite::{Case, Context},
        time::{self, poll_for},
    },
    librdkafka::{LIMIT, Place, Record, RecordProducer, config, create_topic, with},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};

use super::members::{Child, Member, member_config, settle};

pub const CASES: &[Case] = &[
    Case::new("commit_and_resume", commit_and_resume),
    Case::new("members_join_and_leave_range", |c| {
        join_and_leave(c, "range")
    }),
    Case::new("members_join_and_leave_roundrobin", |c| {
        join_and_leave(c, "roundrobin")
    }),
    Case::new("members_join_and_leave_cooperative", |c| {
        join_and_leave(c, "cooperative-sticky")
    }),
    Case::new("crashed_member_is_replaced", crash),
    Case::new("static_member_returns_without_a_rebalance", static_member),
    Case::new("commits_without_a_membership", manual_commits),
    Case::new("groups_are_listed_and_described", list),
    Case::new(
        "groups_of_a_name_do_not_share_offsets_with_others",
        independent,
    ),
];

const PARTITIONS: i32 = 4;

/// `count` records in each partition, numbered through.
fn fill(c: &Context, topic: &str, count: i32) {
    let mut producer = RecordProducer::new(&config(&c.bootstrap));
    for n in 0..count * PARTITIONS {
        producer.send(topic, Some(n % PARTITIONS), &Record::value(n.to_string()));
    }
    producer
        .flush()
        .into_iter()
        .for_each(|d| _ = d.expect("stored"));
}

fn distinct(got: &[(Place, Record)]) -> BTreeSet<Place> {
    got.iter().map(|(place, _)| *place).collect()
}

/// The sum of the offsets committed in the partitions that the member owns. (The list must be gone
/// before the consumer is: librdkafka waits for it when it closes.)
fn committed_total(consumer: &BaseConsumer) -> i64 {
    let committed = consumer.committed(LIMIT).expect("offsets");
    let offsets = committed.elements().into_iter().map(|e| match e.offset() {
        Offset::Offset(offset) => offset,
        _ => 0,
    });
    offsets.sum()
}

fn commit_and_resume(c: &Context) {
    let (topic, group) = (c.name("resume"), c.name("resume-group"));
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    fill(c, &topic, 50);
    let config = member_config(&c.bootstrap, &group);
    let mut first = Member::join(&config, &topic);
    first.take_until(120);
    let done = first.consumer.commit_consumer_state(CommitMode::Sync);
    done.expect("committed");
    assert_eq!(committed_total(&first.consumer), 120);
    let before = distinct(&first.got);
    drop(first);

    let mut second = Member::join(&config, &topic);
    second.take_until(80);
    let after = distinct(&second.got);
    assert!(before.is_disjoint(&after), "nothing is read twice");
    assert_eq!(before.len() + after.len(), 200, "nothing is left out");
    assert!(second.consumer.poll(Duration::from_millis(500)).is_none());
}

fn join_and_leave(c: &Context, strategy: &str) {
    let topic = c.name(strategy);
    let group = c.name(&format!("{strategy}-group"));
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    fill(c, &topic, 10);
    let settings = [("partition.assignment.strategy", strategy)];
    let config = with(member_config(&c.bootstrap, &group), &settings);
    let mut members = vec![Member::join(&config, &topic)];
    settle(&mut members, PARTITIONS, 4);
    members.push(Member::join(&config, &topic));
    settle(&mut members, PARTITIONS, 2);
    members.push(Member::join(&config, &topic));
    settle(&mut members, PARTITIONS, 1);
    // Leaves with a LeaveGroup: the others need not wait for its session to end.
    let left = time::now();
    members.remove(0);
    settle(&mut members, PARTITIONS, 2);
    members.remove(0);
    settle(&mut members, PARTITIONS, 4);
    assert!(left.elapsed() < Duration::from_secs(5), "leaving is quick");
}

fn crash(c: &Context) {
    let (topic, group) = (c.name("crash"), c.name("crash-group"));
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    let mut child = Child::join(c, &group, &topic);
    let mut members = [Member::join(&member_config(&c.bootstrap, &group), &topic)];
    let split = poll_for(LIMIT, || {
        members[0].poll();
        (members[0].assigned().len() == 2).then_some(())
    });
    assert!(split.is_some(), "two members share");
    child.process.kill();
    let killed = time::now();
    settle(&mut members, PARTITIONS, 4);
    let took = killed.elapsed();
    let session = Duration::from_millis(6000);
    assert!(
        took > session / 2,
        "taken over before its session could end: {took:?}"
    );
    assert!(took < session * 3, "taken over only after {took:?}");
    fill(c, &topic, 5);
    members[0].take_until(20);
}

fn static_member(c: &Context) {
    let (topic, group) = (c.name("static"), c.name("static-group"));
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    let config = |instance: &str| {
        let settings = [
            ("group.instance.id", instance),
            ("session.timeout.ms", "20000"),
        ];
        with(member_config(&c.bootstrap, &group), &settings)
    };
    let mut members = vec![
        Member::join(&config("a"), &topic),
        Member::join(&config("b"), &topic),
    ];
    settle(&mut members, PARTITIONS, 2);
    let (of_a, of_b) = (members[0].assigned(), members[1].assigned());
    // A static member that closes does not leave; back within its session it gets what it had.
    members.remove(0);
    for _ in 0..50 {
        members[0].poll();
        assert_eq!(members[0].assigned(), of_b, "no rebalance while it is away");
    }
    members.push(Member::join(&config("a"), &topic));
    settle(&mut members, PARTITIONS, 2);
    assert_eq!(members[0].assigned(), of_b);
    assert_eq!(members[1].assigned(), of_a);
}

fn manual_commits(c: &Context) {
    let (topic, group) = (c.name("manual"), c.name("manual-group"));
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    let consumer: BaseConsumer = member_config(&c.bootstrap, &group)
        .create()
        .expect("a consumer");
    let mut offsets = TopicPartitionList::new();
    for partition in 0..3 {
        let offset = Offset::Offset(100 + i64::from(partition));
        let added = offsets.add_partition_offset(&topic, partition, offset);
        added.expect("a valid offset");
        let mut element = offsets.find_partition(&topic, partition).expect("added");
        element.set_metadata(format!("note {partition}"));
    }
    consumer
        .commit(&offsets, CommitMode::Sync)
        .expect("committed");
    let mut question = TopicPartitionList::new();
    question.add_partition_range(&topic, 0, 3);
    let answer = consumer
        .committed_offsets(question, LIMIT)
        .expect("offsets");
    for element in answer.elements() {
        let partition = element.partition();
        if partition == 3 {
            assert_eq!(element.offset(), Offset::Invalid, "nothing committed");
            continue;
        }
        assert_eq!(element.offset(), Offset::Offset(100 + i64::from(partition)));
        assert_eq!(element.metadata(), format!("note {partition}"));
    }
}

fn list(c: &Context) {
    let (topic, group) = (c.name("list"), c.name("list-group"));
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    let mut members = [Member::join(&member_config(&c.bootstrap, &group), &topic)];
    settle(&mut members, PARTITIONS, 4);
    let client = &members[0].consumer;
    let all = client.fetch_group_list(None, LIMIT).expect("a list");
    assert!(all.groups().iter().any(|g| g.name() == group));
    let one = client
        .fetch_group_list(Some(&group), LIMIT)
        .expect("a group");
    let found = &one.groups()[0];
    assert_eq!(found.state(), "Stable");
    assert_eq!(found.protocol_type(), "consumer");
    assert_eq!(found.members().len(), 1);
    assert_eq!(found.members()[0].client_id(), "rdkafka");
    assert!(
        found.members()[0]
            .assignment()
            .is_some_and(|a| !a.is_empty())
    );
}

fn independent(c: &Context) {
    let topic = c.name("independent");
    create_topic(&c.bootstrap, &topic, PARTITIONS, &[]);
    fill(c, &topic, 5);
    for group in ["one", "two"] {
        let config = member_config(&c.bootstrap, &c.name(group));
        let mut member = Member::join(&config, &topic);
        member.take_until(20);
        assert_eq!(distinct(&member.got).len(), 20);
        let done = member.consumer.commit_consumer_state(CommitMode::Sync);
        done.expect("committed");
    }
}
