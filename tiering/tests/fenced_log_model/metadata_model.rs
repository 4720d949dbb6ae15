//! The steps of the metadata log's system, and what must hold in every state. See `metadata_system`.

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Model, Property};
use weir_tiering::fenced_log::Verdict;

use crate::metadata_system::{Broken, Budget, Controller, Entry, Image, Process, Put, System};

#[derive(Clone, Debug)]
pub struct MetadataModel {
    pub controllers: u8,
    pub slots: u8,
    /// Per controller.
    pub commands_max: u8,
    pub budget: Budget,
    pub broken: Option<Broken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Sends a fence entry.
    Contend(usize),
    /// Sends an entry with the next command.
    Command(usize),
    /// The store executes the put, and its writer gets the answer.
    Execute(usize),
    /// As above, but the answer is lost: it sends the put again.
    ExecuteUnheard(usize),
    /// No answer in time: it sends the put again, and the first one is still on its way.
    SendAgain(usize),
    /// The slot is lost; another command goes to the next one before this one is read.
    RunAhead(usize),
    /// Applies the next entry.
    Read(usize),
    /// Writes a snapshot; days later, deletes what it covers.
    SnapshotAndDelete(usize),
    LandLate(u8, Entry),
    Crash(usize),
}

pub const ANSWERED_IS_IN_THE_LOG: &str = "an answered command is in the log and counts";
pub const SAME_STATE_AT_THE_SAME_SLOT: &str = "all have the same state at the same slot";
pub const ONLY_THE_CONTROLLER_WRITES: &str =
    "what counts was written by the controller of its term";
pub const NO_COMMAND_TWICE: &str = "no command counts twice";
pub const NOTHING_IMPOSSIBLE: &str = "no entry knows a term that the log has not reached";
pub const AT_REST_THERE_IS_A_CONTROLLER: &str =
    "when nothing more can happen, there is a controller";

impl MetadataModel {
    fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    fn end(&self, c: &Controller) -> Option<u8> {
        (c.image.next < self.slots).then_some(c.image.next)
    }

    fn next_command(&self, c: &Controller) -> Option<u8> {
        let number = c.process.controller * self.commands_max + c.commands_sent;
        (c.leads() && c.commands_sent < self.commands_max).then_some(number)
    }

    fn send_command(&self, system: &mut System, i: usize, slot: u8) {
        let c = &mut system.controllers[i];
        let command = self.next_command(c).expect("asked before");
        c.commands_sent += 1;
        let entry = Entry {
            term: c.image.term,
            writer: c.process,
            command: Some(command),
        };
        c.put = Some(Put::Sent(slot, entry));
        if self.breaks(Broken::AnswerBeforeCommit) {
            system.answered.insert(command);
        }
    }

    fn execute(&self, system: &mut System, i: usize) {
        let Some(Put::Sent(slot, entry)) = system.controllers[i].put else {
            unreachable!("only what was sent is executed");
        };
        let exists = system.store[usize::from(slot)].is_some();
        let there = system.put(slot, entry);
        let blind = self.breaks(Broken::BlindReappend) && entry.command.is_some() && exists;
        let ours = there == entry || self.breaks(Broken::ExistsIsOurs);
        if ours && !blind {
            return self.created(system, i, slot, entry);
        }
        system.controllers[i].put =
            (blind && slot + 1 < self.slots).then_some(Put::Sent(slot + 1, entry));
    }

    fn created(&self, system: &mut System, i: usize, slot: u8, entry: Entry) {
        let c = &mut system.controllers[i];
        // From the first unread slot on: for the product that is `slot`, which never runs ahead.
        let unread = c.image.next;
        let mut above = system.snapshots.range(unread..);
        let superseded = above.any(|(_, writer)| *writer != c.process);
        if c.slept && superseded && !self.breaks(Broken::SleeperTrustsCreated) {
            c.put = None;
            c.over = true;
            return;
        }
        c.slept = false;
        c.put = Some(Put::Created(slot, entry));
        if self.breaks(Broken::AnswerBeforeReplay) {
            system.answered.extend(entry.command);
        }
        if system.controllers[i].image.next == slot {
            self.apply(system, i, entry);
        }
    }

    fn apply(&self, system: &mut System, i: usize, entry: Entry) {
        let c = &mut system.controllers[i];
        let (slot, verdict) = (c.image.next, c.image.apply(entry, self.broken));
        let Some(Put::Created(own, sent)) = c.put else {
            return;
        };
        if own == slot {
            c.put = None;
            if verdict == Verdict::Apply {
                system.answered.extend(sent.command);
            }
        }
    }

    fn may_read(&self, system: &System, c: &Controller) -> bool {
        let waits = matches!(c.put, Some(Put::Sent(slot, _)) if slot == c.image.next);
        let covered = system
            .newest_snapshot()
            .is_some_and(|at| at >= c.image.next);
        let there = system
            .store
            .get(usize::from(c.image.next))
            .is_some_and(Option::is_some);
        !waits && (there || (covered && self.reads_snapshot(c)))
    }

    /// One that slept looks for a snapshot before it believes what it reads.
    fn reads_snapshot(&self, c: &Controller) -> bool {
        c.slept && !self.breaks(Broken::SleeperTrustsReads)
    }

    fn read(&self, system: &mut System, i: usize) {
        let c = &system.controllers[i];
        if let Some(at) = system.newest_snapshot()
            && at >= c.image.next
            && self.reads_snapshot(c)
        {
            let image = system.true_image(at + 1, self.broken);
            let c = &mut system.controllers[i];
            c.image = image;
            c.put = None;
            c.slept = false;
            return;
        }
        let entry = system.store[usize::from(c.image.next)].expect("asked before");
        if !self.breaks(Broken::SleeperTrustsReads) {
            system.controllers[i].slept = false;
        }
        self.apply(system, i, entry);
    }

    fn snapshot_and_delete(&self, system: &mut System, i: usize) {
        system.budget.deletions -= 1;
        let c = &system.controllers[i];
        let at = c.image.next - 1;
        system.snapshots.entry(at).or_insert(c.process);
        system.store[..=usize::from(at)].fill(None);
        for c in &mut system.controllers {
            c.slept = true;
        }
    }

    /// A new process begins with the newest snapshot.
    fn crash(&self, system: &mut System, i: usize) {
        let snapshot = system.newest_snapshot().map_or(0, |at| at + 1);
        let image = system.true_image(snapshot, self.broken);
        let c = &mut system.controllers[i];
        if let Some(Put::Sent(slot, entry)) = c.put {
            system.late.insert((slot, entry));
        }
        c.process.run += 1;
        c.image = image;
        c.put = None;
        c.slept = false;
        c.over = false;
    }

    fn controller_steps(&self, system: &System, i: usize, steps: &mut Vec<Step>) {
        let (c, budget) = (&system.controllers[i], system.budget);
        if budget.crashes > 0 {
            steps.push(Step::Crash(i));
        }
        if c.over {
            return;
        }
        if self.may_read(system, c) {
            steps.push(Step::Read(i));
        }
        match c.put {
            None => {
                if self.end(c).is_some() && !c.leads() {
                    steps.push(Step::Contend(i));
                }
                if self.end(c).is_some() && self.next_command(c).is_some() {
                    steps.push(Step::Command(i));
                }
                if c.leads() && c.image.next > 0 && budget.deletions > 0 && system.late.is_empty() {
                    steps.push(Step::SnapshotAndDelete(i));
                }
            }
            Some(Put::Sent(slot, entry)) => {
                steps.push(Step::Execute(i));
                if budget.lost_replies > 0 {
                    steps.push(Step::ExecuteUnheard(i));
                }
                if budget.late_puts > 0 {
                    steps.push(Step::SendAgain(i));
                }
                let there = system.store[usize::from(slot)];
                let lost = there.is_some_and(|there| there != entry);
                if lost && slot + 1 < self.slots && self.next_command(c).is_some() {
                    steps.push(Step::RunAhead(i));
                }
            }
            Some(Put::Created(..)) => {}
        }
    }
}

impl Model for MetadataModel {
    type State = System;
    type Action = Step;

    fn init_states(&self) -> Vec<System> {
        let controller = |number| Controller {
            process: Process {
                controller: number,
                run: 0,
            },
            image: Image::default(),
            put: None,
            slept: false,
            commands_sent: 0,
            over: false,
        };
        vec![System {
            store: vec![None; usize::from(self.slots)],
            log: Vec::new(),
            snapshots: BTreeMap::new(),
            controllers: (0..self.controllers).map(controller).collect(),
            late: BTreeSet::new(),
            answered: BTreeSet::new(),
            budget: self.budget,
        }]
    }

    fn actions(&self, system: &System, steps: &mut Vec<Step>) {
        for i in 0..system.controllers.len() {
            self.controller_steps(system, i, steps);
        }
        steps.extend(
            system
                .late
                .iter()
                .map(|(slot, entry)| Step::LandLate(*slot, *entry)),
        );
    }

    fn next_state(&self, system: &System, step: Step) -> Option<System> {
        let mut next = system.clone();
        match step {
            Step::Contend(i) => {
                let c = &mut next.controllers[i];
                let entry = Entry {
                    term: c.image.term + 1,
                    writer: c.process,
                    command: None,
                };
                c.put = Some(Put::Sent(c.image.next, entry));
            }
            Step::Command(i) => {
                let slot = next.controllers[i].image.next;
                self.send_command(&mut next, i, slot);
            }
            Step::Execute(i) => self.execute(&mut next, i),
            Step::ExecuteUnheard(i) => {
                next.budget.lost_replies -= 1;
                if let Some(Put::Sent(slot, entry)) = next.controllers[i].put {
                    next.put(slot, entry);
                }
            }
            Step::SendAgain(i) => {
                next.budget.late_puts -= 1;
                if let Some(Put::Sent(slot, entry)) = next.controllers[i].put {
                    next.late.insert((slot, entry));
                }
            }
            Step::RunAhead(i) => {
                if let Some(Put::Sent(slot, _)) = next.controllers[i].put {
                    self.send_command(&mut next, i, slot + 1);
                }
            }
            Step::Read(i) => self.read(&mut next, i),
            Step::SnapshotAndDelete(i) => self.snapshot_and_delete(&mut next, i),
            Step::LandLate(slot, entry) => {
                next.late.remove(&(slot, entry));
                next.put(slot, entry);
            }
            Step::Crash(i) => {
                next.budget.crashes -= 1;
                self.crash(&mut next, i);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<MetadataModel>> {
        type M = MetadataModel;
        vec![
            Property::always(ANSWERED_IS_IN_THE_LOG, |m: &M, s: &System| {
                m.broken == Some(Broken::AnswerBeforeCommit) && m.may_still_commit(s) || {
                    let image = s.true_image(s.log.len() as u8, m.broken);
                    s.answered
                        .iter()
                        .all(|command| image.commands.contains(command))
                }
            }),
            Property::always(SAME_STATE_AT_THE_SAME_SLOT, |m: &M, s: &System| {
                s.controllers.iter().all(|c| {
                    usize::from(c.image.next) <= s.log.len()
                        && c.image == s.true_image(c.image.next, m.broken)
                })
            }),
            Property::always(ONLY_THE_CONTROLLER_WRITES, |m: &M, s: &System| {
                m.only_controllers(s)
            }),
            Property::always(NO_COMMAND_TWICE, |m: &M, s: &System| {
                let commands = s.true_image(s.log.len() as u8, m.broken).commands;
                let unique: BTreeSet<_> = commands.iter().collect();
                unique.len() == commands.len()
            }),
            Property::always(NOTHING_IMPOSSIBLE, |m: &M, s: &System| {
                let mut image = Image::default();
                s.log
                    .iter()
                    .all(|entry| image.apply(*entry, m.broken) != Verdict::Impossible)
            }),
            Property::always(AT_REST_THERE_IS_A_CONTROLLER, |m: &M, s: &System| {
                let mut steps = Vec::new();
                m.actions(s, &mut steps);
                let image = s.true_image(s.log.len() as u8, m.broken);
                !steps.is_empty() || image.controller.is_some()
            }),
            Property::sometimes(
                "two terms have commands that were answered",
                |_, s: &System| {
                    let terms = s
                        .log
                        .iter()
                        .filter(|e| e.command.is_some_and(|c| s.answered.contains(&c)));
                    terms.map(|entry| entry.term).collect::<BTreeSet<_>>().len() == 2
                },
            ),
            Property::sometimes("an entry is void", |m: &M, s: &System| {
                let mut image = Image::default();
                s.log
                    .iter()
                    .any(|entry| image.apply(*entry, m.broken) == Verdict::Void)
            }),
            Property::sometimes("a sleeper is superseded", |_, s: &System| {
                s.controllers.iter().any(|c| c.over)
            }),
            Property::sometimes(
                "a sleeper left an entry under a deleted name",
                |_, s: &System| {
                    s.newest_snapshot()
                        .is_some_and(|at| s.store[..=usize::from(at)].iter().any(Option::is_some))
                },
            ),
            Property::sometimes("the log is full", |m: &M, s: &System| {
                s.log.len() == usize::from(m.slots)
            }),
        ]
    }
}

impl MetadataModel {
    /// For the early answer: it is a lie only once the put can no longer succeed.
    fn may_still_commit(&self, system: &System) -> bool {
        system
            .controllers
            .iter()
            .any(|c| matches!(c.put, Some(Put::Sent(..))))
            || !system.late.is_empty()
    }

    fn only_controllers(&self, system: &System) -> bool {
        let mut image = Image::default();
        system.log.iter().all(|entry| {
            let counts = image.apply(*entry, self.broken) == Verdict::Apply;
            !counts || (image.controller == Some(entry.writer) && image.term == entry.term)
        })
    }
}
