//! The steps of the WAL's system, and what must hold in every state. See `wal_system`.

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Model, Property};
use weir_tiering::fenced_log::{SlotContent, SlotWindow, end_of_seal_round, first_open_slot};

use crate::wal_system::{Broken, Budget, Object, Step, System, Taker, Writer, WriterStatus, slot};

/// Bounds of an exhaustive check.
#[derive(Clone, Debug)]
pub struct WalModel {
    pub writers: usize,
    pub takers: usize,
    /// Slots that writers may fill.
    pub slots: u8,
    /// P, for writers and takers.
    pub in_flight_max: u8,
    pub budget: Budget,
    /// Whether writers may stop cleanly.
    pub close: bool,
    pub broken: Option<Broken>,
}

impl WalModel {
    fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    fn new_window(&self) -> SlotWindow {
        let in_flight_max = if self.breaks(Broken::WindowCountsAnswers) {
            16
        } else {
            self.in_flight_max
        };
        SlotWindow::new(slot(0), u64::from(in_flight_max))
    }

    fn may_append(&self, writer: &Writer) -> bool {
        let counted = !self.breaks(Broken::WindowCountsAnswers)
            || writer.puts.len() < usize::from(self.in_flight_max);
        counted
            && writer.status == WriterStatus::Running
            && writer
                .window
                .clone()
                .reserve()
                .is_some_and(|s| s < slot(self.slots))
    }

    fn may_seal(&self, writer: &Writer) -> bool {
        writer.status == WriterStatus::Closing
            && (writer.window.in_flight() == 0 || self.breaks(Broken::CloseInFlight))
    }

    /// The store executes a put, and its writer gets the answer.
    fn execute(&self, system: &mut System, w: usize, number: u8) {
        let object = system.writers[w].puts.remove(&number).expect("it was sent");
        let created = system.put(number, object);
        let there = system.store[usize::from(number)].expect("the put left something there");
        let ours = created || there.same_put(object) || self.breaks(Broken::ExistsIsOurs);
        if object == Object::Seal {
            return self.receive_seal(system, w, number, created);
        }
        if !ours {
            let writer = &mut system.writers[w];
            writer.window.refused(slot(number));
            writer.status = WriterStatus::Gone;
            return;
        }
        self.commit(system, w, number, object);
    }

    fn commit(&self, system: &mut System, w: usize, number: u8, object: Object) {
        let writer = &mut system.writers[w];
        writer.created.insert(number, object);
        let mut committed: Vec<u8> = writer
            .window
            .created(slot(number))
            .map(|s| s.0 as u8)
            .collect();
        if self.breaks(Broken::AcknowledgeAnySlot) {
            committed = vec![number];
        }
        for number in committed {
            if let Some(object) = system.writers[w].created.remove(&number) {
                system.acknowledge(number, object);
            }
        }
    }

    fn receive_seal(&self, system: &mut System, w: usize, number: u8, created: bool) {
        system.writers[w].status = WriterStatus::Gone;
        // `Sealed` of a clean stop; void when a takeover was faster.
        if created && system.sealed.is_none() {
            system.sealed = Some(number);
        }
    }

    /// The answer of a put is unclear: what the writer sends next.
    fn resend(&self, system: &mut System, w: usize, number: u8, object: Object) {
        let mut again = object;
        if self.breaks(Broken::OtherBytesAfterUnclear)
            && let Object::Data { bytes, .. } = &mut again
        {
            *bytes = 1;
        }
        let writer = &mut system.writers[w];
        if self.breaks(Broken::SkipUnclearSlot) && object != Object::Seal {
            writer.puts.remove(&number);
            let committed: Vec<u8> = writer
                .window
                .created(slot(number))
                .map(|s| s.0 as u8)
                .collect();
            for number in committed {
                if let Some(object) = system.writers[w].created.remove(&number) {
                    system.acknowledge(number, object);
                }
            }
            return;
        }
        writer.puts.insert(number, again);
    }

    fn look(&self, system: &System) -> Taker {
        let mut contents = system.contents();
        if self.breaks(Broken::EarlierSealsIgnored) {
            for content in &mut contents {
                if *content == SlotContent::Seal {
                    *content = SlotContent::Data;
                }
            }
        }
        let open = first_open_slot(slot(0), &contents);
        let (mut first, mut content) = open
            .map_or((contents.len() as u8, SlotContent::Missing), |(s, c)| {
                (s.0 as u8, c)
            });
        if self.breaks(Broken::ListDecides) {
            let last = contents
                .iter()
                .rposition(|content| *content != SlotContent::Missing);
            first = last.map_or(0, |last| last as u8 + 1);
            content = SlotContent::Missing;
        }
        if self.breaks(Broken::EndWithoutSeal) {
            return Taker::Decided(first);
        }
        let count = if content == SlotContent::Seal || self.breaks(Broken::OneSealOnly) {
            1
        } else {
            self.in_flight_max
        };
        self.round(system, first, count, 1)
    }

    fn round(&self, system: &System, first: u8, count: u8, round: u8) -> Taker {
        // The store of the model ends somewhere; slots behind it are never filled.
        let end = (first + count).min(system.store.len() as u8);
        Taker::Sealing {
            answers: (first..end).map(|number| (number, None)).collect(),
            round,
        }
    }

    fn may_decide(&self, answers: &BTreeMap<u8, Option<SlotContent>>) -> bool {
        let answered = answers.values().filter(|answer| answer.is_some()).count();
        answered == answers.len()
            || (self.breaks(Broken::FirstAnswerDecides)
                && answers
                    .values()
                    .any(|answer| *answer == Some(SlotContent::Seal)))
    }

    fn decide(
        &self,
        system: &System,
        answers: &BTreeMap<u8, Option<SlotContent>>,
        round: u8,
    ) -> Taker {
        let first = *answers.keys().next().expect("a round has slots");
        let last = *answers.keys().next_back().expect("a round has slots");
        let sealed = || {
            answers
                .iter()
                .filter(|(_, a)| **a == Some(SlotContent::Seal))
                .map(|(n, _)| *n)
        };
        if self.breaks(Broken::FirstAnswerDecides)
            && let Some(end) = sealed().next()
        {
            return Taker::Decided(end);
        }
        if self.breaks(Broken::HighestSeal)
            && let Some(end) = sealed().next_back()
        {
            return Taker::Decided(end);
        }
        let contents: Vec<_> = answers
            .values()
            .map(|answer| answer.expect("all are answered"))
            .collect();
        match end_of_seal_round(slot(first), &contents) {
            Some(end) => Taker::Decided(end.0 as u8),
            None if self.breaks(Broken::OneSealOnly) => Taker::Decided(last + 1),
            None => self.round(system, last + 1, self.in_flight_max, round + 1),
        }
    }

    fn writer_steps(&self, system: &System, w: usize, steps: &mut Vec<Step>) {
        let writer = &system.writers[w];
        if self.may_append(writer) {
            steps.push(Step::Append(w));
        }
        if self.close && writer.status == WriterStatus::Running {
            steps.push(Step::StartClose(w));
        }
        if self.may_seal(writer) {
            steps.push(Step::PutCloseSeal(w));
        }
        for number in writer.puts.keys() {
            steps.push(Step::Execute(w, *number));
            if system.budget.lost_replies > 0 {
                steps.push(Step::ExecuteUnheard(w, *number));
            }
            if system.budget.late_puts > 0 {
                steps.push(Step::SendAgain(w, *number));
            }
        }
        if writer.status != WriterStatus::Gone && system.budget.crashes > 0 {
            steps.push(Step::CrashWriter(w));
        }
    }

    fn taker_steps(&self, system: &System, t: usize, steps: &mut Vec<Step>) {
        match &system.takers[t] {
            Taker::Idle => steps.push(Step::Look(t)),
            Taker::Sealing { answers, .. } => {
                for (number, answer) in answers {
                    if answer.is_none() {
                        steps.push(Step::ExecuteSeal(t, *number));
                        if system.budget.lost_replies > 0 {
                            steps.push(Step::ExecuteSealUnheard(t, *number));
                        }
                    }
                }
            }
            Taker::Decided(_) => steps.push(Step::AppendSealed(t)),
            Taker::Done(_) => return,
        }
        if system.takers[t] != Taker::Idle && system.budget.crashes > 0 {
            steps.push(Step::CrashTaker(t));
        }
    }

    fn step_writer(&self, system: &mut System, step: Step) {
        match step {
            Step::Append(w) => {
                let writer = &mut system.writers[w];
                let number = writer.window.reserve().expect("asked before").0 as u8;
                let object = Object::Data {
                    writer: w as u8,
                    bytes: 0,
                };
                writer.puts.insert(number, object);
            }
            Step::StartClose(w) => system.writers[w].status = WriterStatus::Closing,
            Step::PutCloseSeal(w) => {
                let writer = &mut system.writers[w];
                let end = writer.window.next().0 as u8;
                writer.status = WriterStatus::PuttingSeal;
                writer.puts.insert(end, Object::Seal);
            }
            Step::Execute(w, number) => self.execute(system, w, number),
            Step::ExecuteUnheard(w, number) => {
                system.budget.lost_replies -= 1;
                let object = system.writers[w].puts[&number];
                system.put(number, object);
                self.resend(system, w, number, object);
            }
            Step::SendAgain(w, number) => {
                system.budget.late_puts -= 1;
                let object = system.writers[w].puts[&number];
                system.late.insert((number, object));
                self.resend(system, w, number, object);
            }
            Step::CrashWriter(w) => {
                system.budget.crashes -= 1;
                let writer = &mut system.writers[w];
                writer.status = WriterStatus::Gone;
                system.late.extend(std::mem::take(&mut writer.puts));
            }
            _ => unreachable!("not a writer's step"),
        }
    }

    fn step_taker(&self, system: &mut System, step: Step) {
        match step {
            // Metadata's sealed end overrides whatever objects say later.
            Step::Look(t) => {
                system.takers[t] = match system.sealed {
                    Some(end) => Taker::Done(end),
                    None => self.look(system),
                }
            }
            Step::ExecuteSeal(t, number) => {
                system.put(number, Object::Seal);
                let found = system.content(number);
                let Taker::Sealing { answers, round } = &mut system.takers[t] else {
                    unreachable!("only a round has SEALs");
                };
                answers.insert(number, Some(found));
                if self.may_decide(answers) {
                    let (answers, round) = (answers.clone(), *round);
                    system.takers[t] = self.decide(system, &answers, round);
                }
            }
            Step::ExecuteSealUnheard(_, number) => {
                system.budget.lost_replies -= 1;
                system.put(number, Object::Seal);
            }
            Step::AppendSealed(t) => {
                if let Taker::Decided(end) = system.takers[t] {
                    system.sealed.get_or_insert(end);
                    system.takers[t] = Taker::Done(end);
                }
            }
            Step::CrashTaker(t) => {
                system.budget.crashes -= 1;
                if let Taker::Sealing { answers, .. } = &system.takers[t] {
                    let unanswered = answers.iter().filter(|(_, answer)| answer.is_none());
                    let late: Vec<_> = unanswered
                        .map(|(number, _)| (*number, Object::Seal))
                        .collect();
                    system.late.extend(late);
                }
                system.takers[t] = Taker::Idle;
            }
            _ => unreachable!("not a taker's step"),
        }
    }

    fn is_at_rest(&self, system: &System) -> bool {
        let mut steps = Vec::new();
        self.actions(system, &mut steps);
        steps.is_empty()
    }
}

impl Model for WalModel {
    type State = System;
    type Action = Step;

    fn init_states(&self) -> Vec<System> {
        let writer = Writer {
            window: self.new_window(),
            puts: BTreeMap::new(),
            status: WriterStatus::Running,
            created: BTreeMap::new(),
        };
        vec![System {
            store: vec![None; usize::from(self.slots + self.in_flight_max)],
            writers: vec![writer; self.writers],
            takers: vec![Taker::Idle; self.takers],
            late: BTreeSet::new(),
            sealed: None,
            acknowledged: BTreeMap::new(),
            budget: self.budget,
        }]
    }

    fn actions(&self, system: &System, steps: &mut Vec<Step>) {
        for w in 0..self.writers {
            self.writer_steps(system, w, steps);
        }
        for t in 0..self.takers {
            self.taker_steps(system, t, steps);
        }
        steps.extend(
            system
                .late
                .iter()
                .map(|(number, object)| Step::LandLate(*number, *object)),
        );
    }

    fn next_state(&self, system: &System, step: Step) -> Option<System> {
        let mut next = system.clone();
        match step {
            Step::LandLate(number, object) => {
                next.late.remove(&(number, object));
                next.put(number, object);
            }
            Step::Look(_)
            | Step::ExecuteSeal(..)
            | Step::ExecuteSealUnheard(..)
            | Step::AppendSealed(_)
            | Step::CrashTaker(_) => self.step_taker(&mut next, step),
            _ => self.step_writer(&mut next, step),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<WalModel>> {
        use crate::wal_properties::*;
        vec![
            Property::always(ACKNOWLEDGED_IS_NEVER_LOST, |_, s: &System| {
                acknowledged_is_never_lost(s)
            }),
            Property::always(ONE_ENTRY_PER_SLOT, |_, s: &System| one_entry_per_slot(s)),
            Property::always(ONE_END, |_, s: &System| one_end(s)),
            Property::always(ONLY_DATA_BELOW_THE_END, |_, s: &System| {
                only_data_below_the_end(s)
            }),
            Property::always(
                AN_OBJECT_PROVES_WHAT_IS_BELOW,
                |m: &WalModel, s: &System| an_object_proves_what_is_below(s, m.in_flight_max),
            ),
            Property::always(AT_REST_THERE_IS_AN_END, |m: &WalModel, s: &System| {
                s.sealed.is_some() || !m.is_at_rest(s)
            }),
            Property::eventually("the log gets an end", |_, s: &System| s.sealed.is_some()),
            Property::sometimes("an entry is acknowledged", |_, s: &System| {
                !s.acknowledged.is_empty()
            }),
            Property::sometimes("a full log is acknowledged", |m: &WalModel, s: &System| {
                s.acknowledged.len() == usize::from(m.slots)
            }),
            Property::sometimes("data lies above the end", |_, s: &System| void_data(s)),
            Property::sometimes(
                "entries are acknowledged while SEALs are put",
                |_, s: &System| {
                    s.takers.iter().any(|t| matches!(t, Taker::Sealing { .. }))
                        && s.acknowledged.len() > 1
                },
            ),
            Property::sometimes("data wins a whole round of SEALs", |_, s: &System| {
                s.takers
                    .iter()
                    .any(|t| matches!(t, Taker::Sealing { round: 2.., .. }))
            }),
            Property::sometimes(
                "a taker comes after a crash of everybody",
                |_, s: &System| s.budget.crashes == 0 && s.sealed.is_some() && !s.late.is_empty(),
            ),
        ]
    }
}
