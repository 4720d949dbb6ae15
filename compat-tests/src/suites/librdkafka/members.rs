//! Group members: inside this process, and as processes of their own that can be killed.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::Duration,
};

use crate::{
    harness::{
        process::Process,
        suite::Context,
        time::{Deadline, poll_for},
    },
    librdkafka::{LIMIT, Place, Record, config, place},
};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use tempfile::TempDir;

/// A child ends by itself after this, whatever happens to its parent.
const CHILD_LIMIT: Duration = Duration::from_secs(50);

/// What the groups of these cases are made of.
pub fn member_config(bootstrap: &str, group: &str) -> ClientConfig {
    let mut config = config(bootstrap);
    config.set("group.id", group);
    config.set("auto.offset.reset", "earliest");
    config.set("enable.auto.commit", "false");
    config.set("session.timeout.ms", "6000");
    config.set("heartbeat.interval.ms", "500");
    config.set("topic.metadata.refresh.interval.ms", "1000");
    config
}

/// A member in this process, with everything that it was given.
pub struct Member {
    pub consumer: BaseConsumer,
    pub got: Vec<(Place, Record)>,
}

impl Member {
    pub fn join(config: &ClientConfig, topic: &str) -> Member {
        let consumer: BaseConsumer = config.create().expect("a consumer");
        consumer.subscribe(&[topic]).expect("subscribed");
        Member {
            consumer,
            got: Vec::new(),
        }
    }

    /// Takes what is there. Errors that say "rebalancing" are the client's own business.
    pub fn poll(&mut self) {
        if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(20)) {
            self.got.push((place(&message), Record::of(&message)));
        }
    }

    pub fn assigned(&self) -> BTreeSet<i32> {
        let assignment = self.consumer.assignment().expect("an assignment");
        let elements = assignment.elements();
        elements.iter().map(|e| e.partition()).collect()
    }

    /// Polls until `count` records have come in all.
    pub fn take_until(&mut self, count: usize) {
        let deadline = Deadline::after(LIMIT);
        while self.got.len() < count {
            let got = self.got.len();
            assert!(!deadline.passed(), "{got} of {count} records");
            self.poll();
        }
    }
}

/// Polls all members until together they own exactly the partitions 0..count, each once and each
/// member `at_least`.
pub fn settle(members: &mut [Member], count: i32, at_least: usize) {
    let wanted: BTreeMap<i32, usize> = (0..count).map(|p| (p, 1)).collect();
    let settled = poll_for(LIMIT, || {
        let mut owners: BTreeMap<i32, usize> = BTreeMap::new();
        let mut fair = true;
        for member in members.iter_mut() {
            member.poll();
            let assigned = member.assigned();
            fair &= assigned.len() >= at_least;
            assigned
                .iter()
                .for_each(|p| *owners.entry(*p).or_default() += 1);
        }
        (fair && owners == wanted).then_some(())
    });
    let now: Vec<_> = members.iter().map(Member::assigned).collect();
    assert!(settled.is_some(), "the group does not settle: {now:?}");
}

/// A member in a process of its own.
pub struct Child {
    pub process: Process,
    _dir: TempDir,
}

impl Child {
    /// Starts it and waits until it has partitions.
    pub fn join(c: &Context, group: &str, topic: &str) -> Child {
        let dir = tempfile::tempdir().expect("a directory");
        let me = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(me);
        command.args(["member", &c.bootstrap, group, topic]);
        let mut process = Process::start("member", dir.path(), command).expect("started");
        let ready = process.wait_for_line(LIMIT, |line| line == "assigned");
        ready.expect("the child joins");
        Child { process, _dir: dir }
    }
}

/// The body of such a process: says "assigned" once it has partitions.
pub fn run_child(bootstrap: &str, group: &str, topic: &str) {
    let mut member = Member::join(&member_config(bootstrap, group), topic);
    let deadline = Deadline::after(CHILD_LIMIT);
    let mut said = false;
    while !deadline.passed() {
        member.poll();
        if !said && !member.assigned().is_empty() {
            println!("assigned");
            said = true;
        }
    }
}
