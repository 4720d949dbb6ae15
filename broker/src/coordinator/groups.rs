//! The way from a request to the coordinator of its group.
//!
//! Owns: the table of the partitions' tasks, starting them on first use and all at start, their end.
//! Does not own: what a task does (`actor`, `serving`).
//! Invariant: at most one task per partition runs; after [`Groups::unload`] none appends.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt, future::join_all, stream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use weir_coordinator::{Answer, DeletedTopic, Request, partition_for};
use weir_protocol::types::{PartitionIndex, Uuid};
use weir_tiering::env::TaskKind;

use super::{Ask, CoordinatorError, actor};
use crate::{
    node::Broker,
    partition::{OFFSETS_TOPIC, Topic},
};

/// Requests to one partition that wait for their turn; then its clients wait.
const INBOX_MAX: usize = 256;
/// Partitions that are read at a time.
const READS_MAX: usize = 16;
/// Of those, the ones that nobody has asked for yet.
const BACKGROUND_LOADS_MAX: usize = 8;
/// Records of all partitions that wait for the store; above it no request is taken.
const BACKLOG_BYTES_MAX: usize = 32 << 20;

/// What a partition's task is told.
pub(super) enum Message {
    Request {
        request: Request,
        reply: Reply,
    },
    TopicsDeleted(Arc<[DeletedTopic]>),
    /// Answered once the shard is loaded; dropped when it never will be.
    WhenLoaded(oneshot::Sender<()>),
    /// End: answered as soon as nothing more will be appended.
    Unload(oneshot::Sender<()>),
}

/// Where the answer to a request goes. Dropped without one: this broker no longer coordinates.
pub(super) type Reply = oneshot::Sender<Result<Answer, CoordinatorError>>;

/// What the tasks of all partitions share.
pub(super) struct Shared {
    pub(super) reads: Semaphore,
    backlog_bytes: AtomicUsize,
}

impl Shared {
    pub(super) fn has_backlog(&self) -> bool {
        self.backlog_bytes.load(Ordering::Relaxed) > BACKLOG_BYTES_MAX
    }

    pub(super) fn appended(&self, bytes: usize) {
        self.backlog_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn written(&self, bytes: usize) {
        self.backlog_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The group coordinators of one incarnation.
pub struct Groups {
    table: Mutex<Table>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Table {
    inboxes: BTreeMap<(Uuid, PartitionIndex), mpsc::Sender<Message>>,
    is_closed: bool,
}

impl Default for Groups {
    fn default() -> Groups {
        Groups {
            table: Mutex::default(),
            shared: Arc::new(Shared {
                reads: Semaphore::new(READS_MAX),
                backlog_bytes: AtomicUsize::new(0),
            }),
        }
    }
}

impl Groups {
    /// Asks the coordinator of `group`. The answer may take as long as a rebalance; what it tells is
    /// durable. Dropping the future does not undo the request.
    pub async fn ask<Q: Ask>(
        &self,
        broker: &Arc<Broker>,
        group: &str,
        request: Q,
    ) -> Result<Q::Answer, CoordinatorError> {
        let topic = offsets_topic(broker).ok_or(CoordinatorError::NotCoordinator)?;
        let partition = partition_for(group, topic.partition_count());
        self.ask_partition(broker, &topic, partition, request).await
    }

    /// Asks the coordinators of all partitions that this broker owns; in their order.
    pub async fn ask_all<Q: Ask + Clone>(
        &self,
        broker: &Arc<Broker>,
        request: &Q,
    ) -> Vec<Result<Q::Answer, CoordinatorError>> {
        let Some(topic) = offsets_topic(broker) else {
            return Vec::new();
        };
        let asked = owned(broker, &topic)
            .map(|partition| self.ask_partition(broker, &topic, partition, request.clone()));
        join_all(asked).await
    }

    async fn ask_partition<Q: Ask>(
        &self,
        broker: &Arc<Broker>,
        topic: &Arc<Topic>,
        partition: PartitionIndex,
        request: Q,
    ) -> Result<Q::Answer, CoordinatorError> {
        let inbox = self.inbox(broker, topic, partition)?;
        let (reply, answer) = oneshot::channel();
        let request = request.into_request();
        let sent = inbox.send(Message::Request { request, reply }).await;
        sent.map_err(|_| CoordinatorError::NotCoordinator)?;
        let gone = Err(CoordinatorError::NotCoordinator);
        let answer = answer.await.unwrap_or(gone)?;
        Ok(Q::answer(answer).expect("a shard answers a request in kind"))
    }

    /// The inbox of a partition's task, which is started if there is none.
    fn inbox(
        &self,
        broker: &Arc<Broker>,
        topic: &Arc<Topic>,
        partition: PartitionIndex,
    ) -> Result<mpsc::Sender<Message>, CoordinatorError> {
        let mut table = self.lock();
        if table.is_closed {
            return Err(CoordinatorError::NotAvailable);
        }
        if !owns(broker, topic, partition) {
            return Err(CoordinatorError::NotCoordinator);
        }
        let key = (topic.id(), partition);
        // A task whose inbox is closed has ended, with its incarnation or by a panic.
        if let Some(inbox) = table.inboxes.get(&key).filter(|inbox| !inbox.is_closed()) {
            return Ok(inbox.clone());
        }
        let log = topic.log(partition.0);
        let log = log.ok_or(CoordinatorError::NotCoordinator)?;
        let (inbox, messages) = mpsc::channel(INBOX_MAX);
        actor::start(broker, log, self.shared.clone(), messages);
        table.inboxes.insert(key, inbox.clone());
        Ok(inbox)
    }

    /// Loads all partitions that this broker owns, a few at a time; returns when they are loaded.
    pub async fn load_all(&self, broker: &Arc<Broker>) {
        let Some(topic) = offsets_topic(broker) else {
            return;
        };
        let load = |partition| {
            let inbox = self.inbox(broker, &topic, partition);
            async move {
                let (loaded, when_loaded) = oneshot::channel();
                if let Ok(inbox) = inbox
                    && inbox.send(Message::WhenLoaded(loaded)).await.is_ok()
                {
                    // An error means that it never will be: nothing to wait for.
                    let _ = when_loaded.await;
                }
            }
        };
        let partitions: Vec<_> = owned(broker, &topic).collect();
        stream::iter(partitions)
            .map(load)
            .buffer_unordered(BACKGROUND_LOADS_MAX)
            .collect::<()>()
            .await;
    }

    /// Topics were deleted: so are the offsets that groups have committed to them.
    pub async fn topics_deleted(&self, topics: Vec<DeletedTopic>) {
        let topics: Arc<[DeletedTopic]> = topics.into();
        let inboxes: Vec<_> = self.lock().inboxes.values().cloned().collect();
        for inbox in inboxes {
            // One that has ended needs no news.
            let _ = inbox.send(Message::TopicsDeleted(topics.clone())).await;
        }
    }

    /// Ends all coordinators of a broker that stops: parked requests are answered, no request is
    /// taken any more. On return nothing more will be appended; answers that wait for the store leave
    /// as it confirms what was.
    pub async fn unload(&self) {
        let inboxes = {
            let mut table = self.lock();
            table.is_closed = true;
            std::mem::take(&mut table.inboxes)
        };
        let unload = |inbox: mpsc::Sender<Message>| async move {
            let (ended, has_ended) = oneshot::channel();
            if inbox.send(Message::Unload(ended)).await.is_ok() {
                let _ = has_ended.await;
            }
        };
        join_all(inboxes.into_values().map(unload)).await;
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no code panics under this lock")
    }
}

/// Starts loading everything in the background.
pub fn start(broker: &Arc<Broker>) {
    let broker = broker.clone();
    let tasks = broker.env.tasks.clone();
    tasks.spawn(TaskKind::Coordinator, async move {
        tokio::select! {
            biased;
            () = broker.env.tasks.stopping() => {}
            () = broker.groups.load_all(&broker) => {}
        }
    });
}

fn offsets_topic(broker: &Broker) -> Option<Arc<Topic>> {
    broker.topics().by_name(OFFSETS_TOPIC)
}

fn owns(broker: &Broker, topic: &Topic, partition: PartitionIndex) -> bool {
    let pg = topic.record.pg_of(partition);
    let owner = pg.and_then(|pg| broker.metadata.load().ownership.owner(pg));
    owner == Some(broker.incarnation)
}

fn owned<'a>(broker: &'a Broker, topic: &'a Topic) -> impl Iterator<Item = PartitionIndex> + 'a {
    (0..topic.partition_count())
        .map(PartitionIndex)
        .filter(|partition| owns(broker, topic, *partition))
}
