//! The WAL as a system of processes around a store: what exists, and what can happen next.
//!
//! One log; writers that write to it (more than one is more than can happen: an incarnation is one
//! process), takers that end it while the writers may still be alive, a store that executes puts in any
//! order, and the network's faults: lost replies, late puts, crashes, as many as the budget allows.
//! The decisions are the product's own (`SlotWindow`, `first_open_slot`, `end_of_seal_round`); the one
//! of [`Broken`] that is set replaces one of them.
//!
//! Abstractions: an answer is received when its put is executed. Receiving later only delays
//! acknowledgements and free slots, and a writer may append before it learns that an earlier slot was
//! lost; both orders are there, because an append touches nothing but its writer. Metadata's `Fenced` and `Sealed` are atomic steps (the other model proves the metadata
//! log); an object is its put id and its bytes' identity; a put that is never answered is one that is
//! answered after everything else.

use std::collections::{BTreeMap, BTreeSet};

use weir_tiering::{
    fenced_log::{SlotContent, SlotWindow},
    ids::Slot,
};

/// A rule of the design that is broken on purpose, for the checker to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A slot is acknowledged as soon as it is created, whatever is below.
    AcknowledgeAnySlot,
    /// "Already exists" is taken for our own earlier success without a look at what is there.
    ExistsIsOurs,
    /// After an unclear answer, the slot is used for other bytes.
    OtherBytesAfterUnclear,
    /// After an unclear answer, the slot is given up and counts as done.
    SkipUnclearSlot,
    /// The window is measured by open answers, so that it runs ahead of an unanswered slot.
    WindowCountsAnswers,
    /// The first missing slot is the end, without a SEAL.
    EndWithoutSeal,
    /// A SEAL is put in one slot only; if data is there, the next slot is the end.
    OneSealOnly,
    /// The highest SEAL is the end.
    HighestSeal,
    /// The first SEAL that is answered is the end; other answers are not waited for.
    FirstAnswerDecides,
    /// The SEALs of an earlier taker count as data.
    EarlierSealsIgnored,
    /// LIST decides: the slot behind the last object in the listing is taken for the first open one.
    ListDecides,
    /// A writer closes while something is in flight, with its SEAL behind it.
    CloseInFlight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    Data { writer: u8, bytes: u8 },
    Seal,
}

impl Object {
    pub fn content(object: Option<Object>) -> SlotContent {
        match object {
            None => SlotContent::Missing,
            Some(Object::Data { .. }) => SlotContent::Data,
            Some(Object::Seal) => SlotContent::Seal,
        }
    }

    /// Same put id: the bytes are not compared.
    pub fn same_put(self, other: Object) -> bool {
        match (self, other) {
            (Object::Data { writer: a, .. }, Object::Data { writer: b, .. }) => a == b,
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriterStatus {
    Running,
    /// No more appends; the SEAL comes when nothing is in flight.
    Closing,
    /// The SEAL is on its way.
    PuttingSeal,
    /// Fenced, crashed or closed.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    pub window: SlotWindow,
    /// What is on its way to the store, by slot, for the first time or again.
    pub puts: BTreeMap<u8, Object>,
    pub status: WriterStatus,
    /// Slots created and not yet acknowledged, with what the client is to be told is stored.
    pub created: BTreeMap<u8, Object>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Taker {
    /// Nothing done, or crashed: whatever was done is in the store.
    Idle,
    /// A round of SEALs: by slot, what stands there once that is known. Lower slots hold data.
    Sealing {
        answers: BTreeMap<u8, Option<SlotContent>>,
        round: u8,
    },
    /// Knows the end; `Sealed` is not in the metadata log yet.
    Decided(u8),
    Done(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub lost_replies: u8,
    pub late_puts: u8,
    pub crashes: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct System {
    pub store: Vec<Option<Object>>,
    pub writers: Vec<Writer>,
    pub takers: Vec<Taker>,
    /// Puts that nobody waits for and that may still land.
    pub late: BTreeSet<(u8, Object)>,
    /// The end that metadata names.
    pub sealed: Option<u8>,
    /// What clients were told, by slot.
    pub acknowledged: BTreeMap<u8, BTreeSet<Object>>,
    pub budget: Budget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Append(usize),
    StartClose(usize),
    PutCloseSeal(usize),
    /// The store executes a writer's put, and the writer gets the answer.
    Execute(usize, u8),
    /// As above, but the answer is lost: the writer sends the put again.
    ExecuteUnheard(usize, u8),
    /// No answer in time: the writer sends the put again, and the first one is still on its way.
    SendAgain(usize, u8),
    LandLate(u8, Object),
    CrashWriter(usize),
    /// Appends `Fenced`, finds the first open slot and sends SEALs.
    Look(usize),
    /// The store executes a taker's SEAL and the taker learns what stands there.
    ExecuteSeal(usize, u8),
    /// As above, but the answer is lost.
    ExecuteSealUnheard(usize, u8),
    AppendSealed(usize),
    CrashTaker(usize),
}

impl System {
    /// Puts `object` in `slot` unless something is there. True: created.
    pub fn put(&mut self, slot: u8, object: Object) -> bool {
        let place = &mut self.store[usize::from(slot)];
        let free = place.is_none();
        place.get_or_insert(object);
        free
    }

    pub fn content(&self, slot: u8) -> SlotContent {
        Object::content(self.store[usize::from(slot)])
    }

    pub fn contents(&self) -> Vec<SlotContent> {
        self.store
            .iter()
            .map(|object| Object::content(*object))
            .collect()
    }

    /// The end as the store alone tells it: the lowest SEAL.
    pub fn lowest_seal(&self) -> Option<u8> {
        let at = self
            .store
            .iter()
            .position(|object| *object == Some(Object::Seal))?;
        Some(at as u8)
    }

    /// Every end that somebody holds for true.
    pub fn ends(&self) -> impl Iterator<Item = u8> {
        let known = self.takers.iter().filter_map(|taker| match taker {
            Taker::Decided(end) | Taker::Done(end) => Some(*end),
            _ => None,
        });
        known.chain(self.sealed)
    }

    pub fn acknowledge(&mut self, slot: u8, object: Object) {
        self.acknowledged.entry(slot).or_default().insert(object);
    }
}

pub fn slot(number: u8) -> Slot {
    Slot(u64::from(number))
}
