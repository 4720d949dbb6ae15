//! The metadata log as a system: controllers that contend for it, a store, snapshots and deleted names.
//!
//! Controllers replay the log, contend with a fence entry, append commands one at a time, and may sleep
//! for days while another one writes a snapshot and deletes the entries below. What counts is decided by
//! the product's own `judge_entry`; the one of [`Broken`] that is set replaces a rule.
//!
//! More than the product does: a controller that lost a slot may try the next one before it has read
//! what it lost to. Then only the rule of terms keeps its entry from counting.
//! Abstractions: an entry holds one command or is a fence; the days between a snapshot and the deletion
//! are one step, in which no old put is left on its way and after which everybody has been idle.

use std::collections::{BTreeMap, BTreeSet};

use weir_tiering::fenced_log::{EntryHead, Verdict, judge_entry};

/// A rule of the design that is broken on purpose, for the checker to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Entries of a lower term behind a fence count.
    LowerTermCounts,
    /// A writer that slept believes "created" without a look for snapshots.
    SleeperTrustsCreated,
    /// A reader that slept believes what it finds without a look for snapshots.
    SleeperTrustsReads,
    /// After "exists", the same command goes to the next slot without a look at what is there.
    BlindReappend,
    /// A command is answered when it is sent.
    AnswerBeforeCommit,
    /// A command is answered when its slot is created, though slots below are unread.
    AnswerBeforeReplay,
    /// "Already exists" is taken for our own earlier success without a look at what is there.
    ExistsIsOurs,
}

/// One run of a controller's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    pub controller: u8,
    pub run: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub term: u8,
    pub writer: Process,
    /// `None`: a fence.
    pub command: Option<u8>,
}

/// The state that replay builds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Image {
    /// Slots below are applied.
    pub next: u8,
    pub term: u8,
    /// Who wrote the newest fence.
    pub controller: Option<Process>,
    pub commands: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Put {
    /// On its way, for the first time or again.
    Sent(u8, Entry),
    /// Its slot is ours; it counts if replay says so once it gets there.
    Created(u8, Entry),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Controller {
    pub process: Process,
    pub image: Image,
    pub put: Option<Put>,
    /// Knew the end of the log only days ago.
    pub slept: bool,
    pub commands_sent: u8,
    /// Superseded: this process is over.
    pub over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub lost_replies: u8,
    pub late_puts: u8,
    pub crashes: u8,
    pub deletions: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct System {
    /// By slot; an entry that was deleted leaves its name free.
    pub store: Vec<Option<Entry>>,
    /// The first entry of every slot, which is the log's, deleted or not. Nobody can read this.
    pub log: Vec<Entry>,
    /// By the slot that they include: who wrote them. All stay.
    pub snapshots: BTreeMap<u8, Process>,
    pub controllers: Vec<Controller>,
    pub late: BTreeSet<(u8, Entry)>,
    pub answered: BTreeSet<u8>,
    pub budget: Budget,
}

impl Image {
    /// Applies the entry of slot `next`.
    pub fn apply(&mut self, entry: Entry, broken: Option<Broken>) -> Verdict {
        self.next += 1;
        let head = EntryHead {
            term: u64::from(entry.term),
            is_fence: entry.command.is_none(),
        };
        let mut verdict = judge_entry(u64::from(self.term), head);
        if broken == Some(Broken::LowerTermCounts)
            && verdict == Verdict::Void
            && entry.command.is_some()
        {
            verdict = Verdict::Apply;
        }
        if verdict == Verdict::Apply {
            match entry.command {
                Some(command) => self.commands.push(command),
                None => {
                    self.term = entry.term;
                    self.controller = Some(entry.writer);
                }
            }
        }
        verdict
    }
}

impl Controller {
    pub fn leads(&self) -> bool {
        self.image.controller == Some(self.process)
    }
}

impl System {
    /// What everybody should have applied who has read the slots below `next`.
    pub fn true_image(&self, next: u8, broken: Option<Broken>) -> Image {
        let mut image = Image::default();
        for entry in &self.log[..usize::from(next)] {
            image.apply(*entry, broken);
        }
        image
    }

    pub fn newest_snapshot(&self) -> Option<u8> {
        self.snapshots.keys().next_back().copied()
    }

    /// The store executes a put. Returns what is there afterwards.
    pub fn put(&mut self, slot: u8, entry: Entry) -> Entry {
        let there = *self.store[usize::from(slot)].get_or_insert(entry);
        if usize::from(slot) == self.log.len() {
            self.log.push(there);
        }
        there
    }
}
