//! Histories of random commands: replay = snapshot, the running hash = the hash of the records, and a
//! rejected command changes nothing (I3, I4, I5).

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Command, EntryHash, Fence, Image, StateHash, Term,
    entry::Entry,
    image::incarnations::RegisterBroker,
    snapshot,
    tail::{Applied, ChainError, Tail},
    testing::{CLUSTER, Commands, create_topic, incarnation, process, registration},
};
use crate::ids::{PutId, Slot};

/// Writes entries behind a tail as the controller would.
struct History {
    tail: Tail,
    objects: Vec<Bytes>,
    writer: crate::ids::Incarnation,
    process: crate::ids::ProcessId,
}

impl History {
    fn new() -> History {
        let mut history = History {
            tail: Tail::default(),
            objects: Vec::new(),
            writer: incarnation(1, 0),
            process: process(1),
        };
        history.take_over(1, 1);
        history
    }

    /// A registration with its fence.
    fn take_over(&mut self, broker: u32, number: u8) {
        self.writer = incarnation(broker, self.tail.next_slot().0);
        self.process = process(number);
        let term = self.tail.image.term.next();
        let fence = Fence {
            term,
            controller: self.writer,
            process: self.process,
        };
        let registration = registration(broker, number);
        let commands = vec![
            Command::Fence(fence),
            Command::RegisterBroker(RegisterBroker { registration }),
        ];
        let object = self.object(term, commands);
        assert_eq!(self.push(object), Ok(Applied::Counts));
    }

    fn entry(&self, term: Term, commands: Vec<Command>) -> Entry {
        Entry {
            term,
            writer: self.writer,
            process: self.process,
            previous: self.tail.last,
            state: self.tail.image.state_hash(),
            commands,
        }
    }

    fn object(&self, term: Term, commands: Vec<Command>) -> Bytes {
        encode(&self.entry(term, commands), self.tail.next_slot())
    }

    fn append(&mut self, commands: Vec<Command>) {
        let object = self.object(self.tail.image.term, commands);
        assert_eq!(self.push(object), Ok(Applied::Counts));
    }

    fn push(&mut self, object: Bytes) -> Result<Applied, ChainError> {
        let applied = replay_one(&mut self.tail, &object)?;
        self.objects.push(object);
        Ok(applied)
    }
}

fn encode(entry: &Entry, slot: Slot) -> Bytes {
    let put_id = PutId([slot.0 as u8; 16]);
    entry.encode(CLUSTER, slot, put_id).body.to_bytes()
}

fn replay_one(tail: &mut Tail, object: &Bytes) -> Result<Applied, ChainError> {
    let entry = Entry::decode(object, CLUSTER, tail.next_slot()).unwrap();
    tail.apply(&entry, EntryHash::of([&object[..]]))
}

fn hash_of_records(image: &Image) -> StateHash {
    let mut hash = StateHash::default();
    for record in image.records() {
        hash.add(&record);
    }
    hash
}

/// Random entries; checks every command on the way.
fn random_history(seed: u64, entries: usize) -> (History, u32) {
    let commands = Commands::seeded(seed);
    let mut history = History::new();
    let mut rejected = 0;
    for _ in 0..entries {
        if commands.byte() < 16 {
            history.take_over(u32::from(commands.byte() % 3), commands.byte());
            continue;
        }
        let mut working = history.tail.clone();
        let mut accepted = Vec::new();
        for _ in 0..commands.byte() % 6 {
            let command = commands.next(&working.image);
            let before = working.clone();
            match working.try_command(&command) {
                Ok(_) => accepted.push(command),
                Err(_) => {
                    assert_eq!(working, before, "a rejected command changed the state");
                    assert_eq!(working.image.state_hash(), before.image.state_hash());
                    rejected += 1;
                }
            }
            assert_eq!(working.image.state_hash(), hash_of_records(&working.image));
        }
        history.append(accepted);
        assert_eq!(history.tail.image.state_hash(), working.image.state_hash());
    }
    (history, rejected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_snapshot_is_the_state_of_the_replay_and_the_replay_goes_on_from_it(
        seed in any::<u64>(), entries in 1usize..60, cut in any::<prop::sample::Index>(),
    ) {
        let (history, _) = random_history(seed, entries);
        let cut = cut.index(history.objects.len());
        let mut replayed = Tail::default();
        for object in &history.objects[..=cut] {
            replay_one(&mut replayed, object).unwrap();
        }
        let number = snapshot::number(&replayed).unwrap();
        prop_assert_eq!(number, Slot(cut as u64));
        let object = snapshot::encode(&replayed, number, CLUSTER, incarnation(1, 0), PutId([1; 16]));
        let mut restored = snapshot::decode(&object.body.to_bytes(), CLUSTER, number).unwrap();
        prop_assert_eq!(&restored, &replayed);
        for object in &history.objects[cut + 1..] {
            replay_one(&mut restored, object).unwrap();
        }
        prop_assert_eq!(restored.image.state_hash(), history.tail.image.state_hash());
        prop_assert_eq!(&restored, &history.tail);
    }
}

#[test]
fn the_random_histories_reach_every_domain_and_are_rejected_at_times() {
    let (mut topics, mut configs, mut pages, mut rejections) = (0, 0, 0, 0);
    for seed in 0..20 {
        let (history, rejected) = random_history(seed, 60);
        let image = &history.tail.image;
        topics += image.topics.len();
        configs += image.configs.len();
        pages += image
            .ownership
            .iter()
            .filter(|(_, r)| r.page.is_some())
            .count();
        rejections += rejected;
    }
    assert!(topics > 20 && configs > 20 && pages > 5 && rejections > 50);
}

#[test]
fn an_entry_of_a_lower_term_behind_a_fence_is_void_for_everybody() {
    let mut history = History::new();
    history.append(vec![create_topic("a", 1)]);
    let (writer, process, tail) = (history.writer, history.process, history.tail.clone());
    history.take_over(2, 2);
    let before = history.tail.image.state_hash();
    // The zombie wrote on what it knew: its own term, its own chain.
    let zombie = Entry {
        term: tail.image.term,
        writer,
        process,
        previous: tail.last,
        state: tail.image.state_hash(),
        commands: vec![create_topic("zombie", 9)],
    };
    let object = encode(&zombie, history.tail.next_slot());
    assert_eq!(history.push(object), Ok(Applied::Void));
    // So is one of the right term by somebody who is not its controller.
    let impostor = Entry {
        writer,
        ..history.entry(history.tail.image.term, vec![create_topic("zombie", 9)])
    };
    let object = encode(&impostor, history.tail.next_slot());
    assert_eq!(history.push(object), Ok(Applied::Void));
    assert_eq!(history.tail.image.state_hash(), before);
    // The void ones are part of the chain.
    history.append(vec![create_topic("b", 2)]);
    let mut again = Tail::default();
    for object in &history.objects {
        replay_one(&mut again, object).unwrap();
    }
    assert_eq!(again, history.tail);
    assert!(again.image.topics.by_name("zombie").is_none());
}

#[test]
fn an_entry_that_counts_and_does_not_fit_is_an_error() {
    let history = History::new();
    let term = history.tail.image.term;
    let slot = history.tail.next_slot();
    let good = history.entry(term, vec![create_topic("a", 1)]);
    let cases = [
        (
            "previous",
            Entry {
                previous: EntryHash(1),
                ..good.clone()
            },
        ),
        (
            "state",
            Entry {
                state: StateHash(1),
                ..good.clone()
            },
        ),
        (
            "term",
            Entry {
                term: Term(9),
                ..good.clone()
            },
        ),
        ("command", history.entry(term, vec![create_topic("..", 1)])),
    ];
    for (what, entry) in cases {
        let error = replay_one(&mut history.tail.clone(), &encode(&entry, slot)).unwrap_err();
        let found = match error {
            ChainError::Broken { .. } => "previous",
            ChainError::Diverged { .. } => "state",
            ChainError::ImpossibleTerm { .. } => "term",
            ChainError::Rejected { .. } => "command",
        };
        assert_eq!(found, what);
    }
    replay_one(&mut history.tail.clone(), &encode(&good, slot)).unwrap();
}

#[test]
fn every_flipped_byte_of_an_entry_and_of_a_snapshot_is_noticed() {
    let (history, _) = random_history(3, 12);
    for (slot, object) in history.objects.iter().enumerate().skip(6) {
        for at in 0..object.len() {
            let mut bytes = object.to_vec();
            bytes[at] ^= 0x10;
            let decoded = Entry::decode(&bytes.into(), CLUSTER, Slot(slot as u64));
            assert!(decoded.is_err(), "byte {at} of entry {slot}");
        }
    }
    let number = snapshot::number(&history.tail).unwrap();
    let sealed = snapshot::encode(
        &history.tail,
        number,
        CLUSTER,
        incarnation(1, 0),
        PutId([1; 16]),
    );
    let object = sealed.body.to_bytes();
    snapshot::decode(&object, CLUSTER, number).unwrap();
    for at in 0..object.len() {
        let mut bytes = object.to_vec();
        bytes[at] ^= 0x01;
        assert!(
            snapshot::decode(&bytes.into(), CLUSTER, number).is_err(),
            "byte {at}"
        );
    }
    for len in 0..object.len() {
        assert!(snapshot::decode(&object.slice(..len), CLUSTER, number).is_err());
    }
}

#[test]
fn an_unknown_command_is_refused_unless_it_may_be_skipped() {
    use prost::Message;
    // Command { skippable, field 100: empty message }
    let unknown = [0xa2, 0x06, 0x00];
    let mut skippable = vec![0x08, 0x01];
    skippable.extend(unknown);
    let decode = |bytes: &[u8]| super::proto::Command::decode(bytes).unwrap().into_domain();
    assert_eq!(decode(&skippable), Ok(None));
    assert!(decode(&unknown).is_err());
}

#[test]
fn objects_of_another_cluster_slot_or_kind_are_refused() {
    let history = History::new();
    let entry = &history.objects[0];
    let other = crate::ids::ClusterId(weir_protocol::types::Uuid([8; 16]));
    assert!(Entry::decode(entry, other, Slot(0)).is_err());
    assert!(Entry::decode(entry, CLUSTER, Slot(1)).is_err());
    assert!(snapshot::decode(entry, CLUSTER, Slot(0)).is_err());
    assert!(Entry::decode(entry, CLUSTER, Slot(0)).is_ok());
}
