//! A loaded shard at work: one request after the other, records into the log, answers when they are
//! durable.
//!
//! Owns: tokens, the order of append and answer, the wake-ups for timers and time-outs.
//! Does not own: what a request means, the wait for the store (`waiting`).
//! Invariant: records are appended before the next request is handled, so their order in the log is
//! the order in which the shard changed; requests do not wait for the store, answers do.
//! Crash: what was appended but not committed is void, and no answer has told of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use weir_coordinator::{Answer, Context, DeletedTopic, Now, Output, Request, Shard, Token};
use weir_tiering::{
    ids::Slot,
    log::AppendError,
    wal::{Wal, WalEnded},
};

use super::{
    CoordinatorError,
    actor::Place,
    append,
    groups::{Message, Reply},
    topics::KnownTopics,
    waiting::Waiting,
};

/// How long after a change the groups are counted again.
const COUNT_PAUSE: Duration = Duration::from_secs(1);
/// How often to look whether the store has caught up.
const BACKLOG_LOOK: Duration = Duration::from_millis(200);

/// What comes after a shard's service.
pub(super) enum End {
    /// Load the partition and go on.
    Reload,
    Over,
}

/// Why the shard stops serving.
enum Stop {
    /// The write-ahead log has ended: nothing that waits can be known to be durable.
    Lost,
    /// The shard holds what could not be appended.
    Void,
    /// A clean stop; tell the sender that nothing more will be appended.
    Asked(oneshot::Sender<()>),
}

pub(super) struct Serving {
    place: Arc<Place>,
    shard: Shard,
    replies: BTreeMap<Token, Reply>,
    token_next: u64,
    waiting: Waiting,
    /// Of the newest append.
    last_slot: Option<Slot>,
    count_at: Option<Duration>,
    groups_counted: Counted,
}

enum Event {
    Over,
    Written(Result<Slot, WalEnded>),
    Time,
    Message(Option<Message>),
}

impl Serving {
    pub(super) fn new(place: Arc<Place>, shard: Shard) -> Serving {
        Serving {
            groups_counted: Counted {
                place: place.clone(),
                groups: 0,
            },
            place,
            shard,
            replies: BTreeMap::new(),
            token_next: 0,
            waiting: Waiting::default(),
            last_slot: None,
            count_at: Some(Duration::ZERO),
        }
    }

    /// Serves until `over`, a clean stop, or a failed append.
    pub(super) async fn run(
        mut self,
        deleted: &[Arc<[DeletedTopic]>],
        inbox: &mut mpsc::Receiver<Message>,
        over: &mut BoxFuture<'static, ()>,
    ) -> End {
        let mut outcome = self.begin(deleted);
        let stop = loop {
            if let Err(stop) = outcome {
                break stop;
            }
            let place = self.place.clone();
            let (slot, deadline) = (self.waiting.slot(), self.deadline());
            let event = tokio::select! {
                biased;
                () = &mut *over => Event::Over,
                slot = written(&place.broker.wal, slot) => Event::Written(slot),
                () = at(&place, deadline) => Event::Time,
                message = inbox.recv() => Event::Message(message),
            };
            outcome = match event {
                Event::Over | Event::Written(Err(WalEnded)) | Event::Message(None) => {
                    Err(Stop::Lost)
                }
                Event::Written(Ok(slot)) => {
                    self.on_written(slot);
                    Ok(())
                }
                Event::Time => self.on_time(),
                Event::Message(Some(message)) => self.on_message(message),
            };
        };
        self.end(stop, over).await
    }

    fn begin(&mut self, deleted: &[Arc<[DeletedTopic]>]) -> Result<(), Stop> {
        let now = self.now();
        let output = self.shard.on_loaded(now);
        self.take(output, now)?;
        for topics in deleted {
            let output = self.shard.on_topics_deleted(now, topics);
            self.take(output, now)?;
        }
        Ok(())
    }

    /// Dropping a reply answers that this broker no longer coordinates the group.
    async fn end(mut self, stop: Stop, over: &mut BoxFuture<'static, ()>) -> End {
        let (end, ended) = match stop {
            Stop::Lost => return End::Over,
            Stop::Void => (End::Reload, None),
            Stop::Asked(ended) => (End::Over, Some(ended)),
        };
        let shard = std::mem::replace(&mut self.shard, Shard::new(Default::default()));
        let parked = shard.on_unload().answers;
        self.send(parked);
        if let Some(ended) = ended {
            let _ = ended.send(());
        }
        // What was appended before is good.
        while let Some(slot) = self.waiting.slot() {
            let place = self.place.clone();
            let deadline = self.waiting.deadline();
            tokio::select! {
                biased;
                () = &mut *over => return End::Over,
                slot = written(&place.broker.wal, Some(slot)) => match slot {
                    Ok(slot) => self.on_written(slot),
                    Err(WalEnded) => return End::Over,
                },
                () = at(&place, deadline) => self.expire(),
            }
        }
        end
    }

    fn on_message(&mut self, message: Message) -> Result<(), Stop> {
        match message {
            Message::Request { request, reply } => self.on_request(request, reply),
            Message::TopicsDeleted(topics) => {
                let now = self.now();
                let output = self.shard.on_topics_deleted(now, &topics);
                self.take(output, now)
            }
            Message::WhenLoaded(waiting) => {
                let _ = waiting.send(());
                Ok(())
            }
            Message::Unload(ended) => Err(Stop::Asked(ended)),
        }
    }

    fn on_request(&mut self, request: Request, reply: Reply) -> Result<(), Stop> {
        if self.place.shared.has_backlog() {
            let _ = reply.send(Err(CoordinatorError::NotAvailable));
            return Ok(());
        }
        let token = Token(self.token_next);
        self.token_next += 1;
        self.replies.insert(token, reply);
        let now = self.now();
        let env = &self.place.broker.env;
        let mut context = Context {
            now,
            topics: &KnownTopics(self.place.broker.topics()),
            new_id: &mut || env.new_uuid(),
        };
        let output = self.shard.handle(&mut context, token, request);
        self.take(output, now)
    }

    fn on_written(&mut self, slot: Slot) {
        let (answers, bytes) = self.waiting.committed(slot);
        self.place.shared.written(bytes);
        self.send(answers);
    }

    fn on_time(&mut self) -> Result<(), Stop> {
        self.expire();
        let now = self.now();
        if self.count_at.is_some_and(|at| at <= now.boot) {
            self.count_at = None;
            self.groups_counted.set(&self.shard);
        }
        let is_due = self.shard.next_deadline().is_some_and(|at| at <= now.boot);
        if is_due && !self.place.shared.has_backlog() {
            let output = self.shard.on_timer(now);
            self.take(output, now)?;
        }
        Ok(())
    }

    /// Answers those who have waited for the store long enough.
    fn expire(&mut self) {
        for token in self.waiting.expire(self.now().boot) {
            if let Some(reply) = self.replies.remove(&token) {
                let _ = reply.send(Err(CoordinatorError::TimedOut));
            }
        }
    }

    /// When something is to be done without being asked.
    fn deadline(&self) -> Option<Duration> {
        let timers = match self.place.shared.has_backlog() {
            true => Some(self.now().boot + BACKLOG_LOOK),
            false => self.shard.next_deadline(),
        };
        let deadlines = [timers, self.waiting.deadline(), self.count_at];
        deadlines.into_iter().flatten().min()
    }

    /// Does what a call of the shard asks for.
    fn take(&mut self, output: Output, now: Now) -> Result<(), Stop> {
        let Output { records, answers } = output;
        let mut bytes = 0;
        if !records.is_empty() {
            self.count_at.get_or_insert(now.boot + COUNT_PAUSE);
            let bytes_max = self.batch_bytes_max();
            let batches = append::batches(&records, answers.is_empty(), bytes_max, now.wall_ms);
            let Ok(batches) = batches else {
                self.refuse_too_large(answers, bytes_max);
                return Err(Stop::Void);
            };
            for batch in batches {
                bytes += batch.bytes.len();
                let wal = &self.place.broker.wal;
                let appended = self.place.log.append(wal, batch, now.wall_ms);
                self.last_slot = appended.map_err(|error| self.lost(error))?.slot;
            }
        }
        let wal = &self.place.broker.wal;
        match self.last_slot.filter(|slot| wal.committed_now() <= *slot) {
            None => self.send(answers),
            Some(_) if bytes == 0 && answers.is_empty() => {}
            Some(slot) => {
                let limit = self.place.broker.config.group.offsets_commit_timeout;
                self.place.shared.appended(bytes);
                self.waiting.push(slot, now.boot + limit, bytes, answers);
            }
        }
        Ok(())
    }

    /// As Kafka's: the topic's `max.message.bytes`.
    fn batch_bytes_max(&self) -> usize {
        let topic = self.place.broker.topics().by_id(self.place.log.id().topic);
        topic.map_or(usize::MAX, |t| t.config.message_bytes_max as usize)
    }

    fn refuse_too_large(&mut self, answers: Vec<(Token, Answer)>, bytes_max: usize) {
        tracing::warn!(
            partition = self.place.partition().0,
            bytes_max,
            "a group's records exceed max.message.bytes of __consumer_offsets; the request is refused and the partition's groups are loaded again"
        );
        for (token, _) in answers {
            if let Some(reply) = self.replies.remove(&token) {
                let _ = reply.send(Err(CoordinatorError::TooLarge));
            }
        }
    }

    fn lost(&self, error: AppendError) -> Stop {
        tracing::info!(partition = self.place.partition().0, %error, "coordinator ends");
        Stop::Lost
    }

    fn send(&mut self, answers: Vec<(Token, Answer)>) {
        for (token, answer) in answers {
            if let Some(reply) = self.replies.remove(&token) {
                // The connection may be gone.
                let _ = reply.send(Ok(answer));
            }
        }
    }

    fn now(&self) -> Now {
        let clock = &self.place.broker.env.clock;
        Now {
            wall_ms: clock.wall_ms(),
            boot: clock.boot(),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.place.shared.written(self.waiting.bytes());
    }
}

/// This shard's part of the number of groups that this broker shows.
struct Counted {
    place: Arc<Place>,
    groups: usize,
}

impl Counted {
    fn set(&mut self, shard: &Shard) {
        self.change(shard.stats().groups_by_state.values().sum());
    }

    fn change(&mut self, groups: usize) {
        let gauge = &self.place.broker.metrics.serving.groups;
        gauge.increment(groups as f64 - self.groups as f64);
        self.groups = groups;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.change(0);
    }
}

async fn written(wal: &Wal, slot: Option<Slot>) -> Result<Slot, WalEnded> {
    match slot {
        Some(slot) => wal.committed(slot).await.map(|()| slot),
        None => std::future::pending().await,
    }
}

/// Completes at `deadline` of boot time.
async fn at(place: &Place, deadline: Option<Duration>) {
    let Some(deadline) = deadline else {
        return std::future::pending().await;
    };
    let clock = &place.broker.env.clock;
    clock.sleep(deadline.saturating_sub(clock.boot())).await;
}
