//! The writer of the metadata log: one task, one entry at a time, everything that queued meanwhile in
//! the next one.
//!
//! ```text
//! queue ─▶ gather ─▶ validate in order on the committed state ─▶ put ─▶ publish ─▶ answer
//! ```
//! Invariants: an answer, positive or negative, leaves only after the slot is committed that it was
//! decided on, and after the image with it is published (I7); the state is never ahead of the log.
//! A slot that holds somebody else's entry that counts ends the writer; nobody re-appends then.
//!
//! Crash: an entry whose put went out may be in the log without an answer. Nothing else is left behind.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::{
    env::TaskKind,
    fenced_log::{Appended, IDLE_MAX},
    metadata::{
        command::Command,
        entry::{ENTRY_COMMANDS_LEN_MAX, ENTRY_COMMANDS_MAX, Entry},
        error::{Ended, MetadataError},
        handle::{Append, AppendResult, MetadataLog, QUEUE_LEN, Request, Shared},
        hash::EntryHash,
        image::{CommandRejected, Controller},
        replay::{self, Replayed},
        snapshotter::Snapshotter,
        tail::{Applied, Tail},
    },
    store::{StoreError, put::Patience},
};

/// A look at the next slot gives up after this; the store's silence counts as "still controller".
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Starts the writer behind a registration that is in `replayed`.
pub(super) fn start(mut replayed: Replayed, me: Controller) -> MetadataLog {
    replayed.log = replayed.log.with_patience(Patience::Forever);
    let image = Arc::new(replayed.tail.image.clone());
    let shared = Arc::new(Shared {
        image: ArcSwap::new(image.clone()),
        images: watch::Sender::new(image),
        ended: watch::Sender::new(None),
    });
    let (requests, queue) = mpsc::channel(QUEUE_LEN);
    let env = replayed.env.clone();
    let writer = Writer {
        me,
        end_known: env.clock.boot(),
        snapshotter: Snapshotter::new(&replayed, me.incarnation),
        replayed,
        queue,
        left_over: None,
        shared: shared.clone(),
    };
    env.tasks
        .spawn(TaskKind::MetadataWriter, async move { writer.run().await });
    MetadataLog {
        env,
        me,
        requests,
        shared,
    }
}

struct Writer {
    me: Controller,
    /// Its tail is the committed state.
    replayed: Replayed,
    queue: mpsc::Receiver<Request>,
    /// Taken from the queue, but for the next entry.
    left_over: Option<Request>,
    /// Boot time at which nobody else had written.
    end_known: Duration,
    snapshotter: Snapshotter,
    shared: Arc<Shared>,
}

/// A batch, validated: what to write, and the answers for then.
struct Prepared {
    next: Tail,
    commands: Vec<Command>,
    answers: Vec<AppendResult>,
}

/// What a look at the next slot showed.
enum Seen {
    Nothing,
    Entry(Bytes),
    /// Somebody else's, of this slot or a later one.
    Snapshot,
}

impl Writer {
    async fn run(mut self) {
        let ended = match self.serve().await {
            Ok(()) => Ended::Closed,
            Err(ended) => ended,
        };
        match &ended {
            Ended::Closed => {}
            Ended::Fenced { .. } => tracing::warn!(%ended, "the metadata log is another's now"),
            Ended::Failed(_) => tracing::error!(%ended, "the metadata log stops"),
        }
        self.shared.ended.send_replace(Some(ended.clone()));
        self.queue.close();
        let left_over = self.left_over.take();
        for request in left_over.into_iter().chain(drain(&mut self.queue)) {
            refuse(request, &ended);
        }
    }

    async fn serve(&mut self) -> Result<(), Ended> {
        self.snapshotter.after_commit(&self.replayed);
        while let Some(request) = self.next_request().await {
            match request {
                Request::Append(append) => {
                    let batch = self.gather(append);
                    self.write(batch).await?;
                }
                Request::Look { age_max, reply } => match self.look(age_max).await {
                    Ok(()) => {
                        let _ = reply.send(Ok(()));
                    }
                    Err(ended) => {
                        let _ = reply.send(Err(MetadataError::Ended(ended.clone())));
                        return Err(ended);
                    }
                },
                Request::Close => return Ok(()),
            }
        }
        Ok(())
    }

    async fn next_request(&mut self) -> Option<Request> {
        match self.left_over.take() {
            Some(request) => Some(request),
            None => self.queue.recv().await,
        }
    }

    /// Everything that queued while the entry before was in flight, as far as it fits.
    fn gather(&mut self, first: Append) -> Vec<Append> {
        let (mut len, mut count) = (first.len, first.commands.len());
        let mut batch = vec![first];
        while let Ok(request) = self.queue.try_recv() {
            match request {
                Request::Append(append)
                    if len + append.len <= ENTRY_COMMANDS_LEN_MAX
                        && count + append.commands.len() <= ENTRY_COMMANDS_MAX =>
                {
                    len += append.len;
                    count += append.commands.len();
                    batch.push(append);
                }
                other => {
                    self.left_over = Some(other);
                    break;
                }
            }
        }
        batch
    }

    /// Writes one entry and answers. An error ends the writer; the batch is answered with it.
    async fn write(&mut self, batch: Vec<Append>) -> Result<(), Ended> {
        match self.commit(&batch).await {
            Ok(answers) => {
                for (append, answer) in batch.into_iter().zip(answers) {
                    // A caller that went away does not undo its commands.
                    let _ = append.reply.send(Ok(answer));
                }
                self.snapshotter.after_commit(&self.replayed);
                Ok(())
            }
            Err(ended) => {
                for append in batch {
                    let _ = append.reply.send(Err(MetadataError::Ended(ended.clone())));
                }
                Err(ended)
            }
        }
    }

    async fn commit(&mut self, batch: &[Append]) -> Result<Vec<AppendResult>, Ended> {
        loop {
            let mut prepared = self.prepare(batch);
            if prepared.commands.is_empty() {
                // All were rejected, on the committed state: nothing to wait for.
                return Ok(prepared.answers);
            }
            let slot = self.replayed.next_slot();
            let tail = &self.replayed.tail;
            let entry = Entry {
                term: tail.image.term,
                writer: self.me.incarnation,
                process: self.me.process,
                previous: tail.last,
                state: tail.image.state_hash(),
                commands: prepared.commands,
            };
            let put_id = self.replayed.env.new_put_id();
            let object = entry.encode(self.replayed.cluster, slot, put_id);
            let hash = EntryHash::of(object.body.chunks().iter().map(|chunk| &chunk[..]));
            let len = object.body.len();
            match self.replayed.log.try_append(slot, object).await {
                Ok(Appended::Created) => {
                    prepared.next.advance(hash);
                    self.publish(prepared.next, len);
                    return Ok(prepared.answers);
                }
                Ok(Appended::Exists(bytes)) => self.learn(&bytes)?,
                Ok(Appended::Superseded { .. }) => {
                    return Err(Ended::Fenced {
                        slot,
                        controller: None,
                    });
                }
                Err(error) => return Err(Ended::Failed(Box::new(error.into()))),
            }
        }
    }

    fn prepare(&self, batch: &[Append]) -> Prepared {
        let mut prepared = Prepared {
            next: self.replayed.tail.clone(),
            commands: Vec::new(),
            answers: Vec::with_capacity(batch.len()),
        };
        for append in batch {
            let answer = append.commands.iter().map(|command| {
                if matches!(command, Command::Fence(_)) {
                    return Err(CommandRejected::Reserved);
                }
                let outcome = prepared.next.try_command(command)?;
                prepared.commands.push(command.clone());
                Ok(outcome)
            });
            let answer = answer.collect();
            prepared.answers.push(answer);
        }
        prepared
    }

    fn publish(&mut self, committed: Tail, len: u64) {
        self.replayed.tail = committed;
        self.replayed.since_snapshot.entries += 1;
        self.replayed.since_snapshot.bytes += len;
        self.end_known = self.replayed.env.clock.boot();
        let image = Arc::new(self.replayed.tail.image.clone());
        self.shared.image.store(image.clone());
        self.shared.images.send_replace(image);
    }

    /// Takes in an object that stands in the next slot and is not ours. `Ok`: it is void, the slot
    /// behind it is the next one, and we are still the controller.
    fn learn(&mut self, bytes: &Bytes) -> Result<(), Ended> {
        let slot = self.replayed.next_slot();
        let mut next = self.replayed.tail.clone();
        let applied = replay::apply_object(&mut next, self.replayed.cluster, bytes)
            .map_err(|error| Ended::Failed(Box::new(error)))?;
        if applied == Applied::Counts {
            return Err(Ended::Fenced {
                slot,
                controller: next.image.controller,
            });
        }
        self.publish(next, bytes.len() as u64);
        Ok(())
    }

    /// Whether the next slot is still free. A store that does not answer counts as free.
    async fn look(&mut self, age_max: Duration) -> Result<(), Ended> {
        let env = self.replayed.env.clone();
        let asked = env.clock.boot();
        if asked.saturating_sub(self.end_known) <= age_max {
            return Ok(());
        }
        loop {
            let look = self.look_once(asked);
            match env.timeout(LOOK_LIMIT, look).await {
                Ok(Ok(Seen::Entry(bytes))) => self.learn(&bytes)?,
                Ok(Ok(Seen::Snapshot)) => {
                    return Err(Ended::Fenced {
                        slot: self.replayed.next_slot(),
                        controller: None,
                    });
                }
                Ok(Ok(Seen::Nothing)) => {
                    self.end_known = asked;
                    return Ok(());
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "could not look for another controller");
                    return Ok(());
                }
                Err(_elapsed) => return Ok(()),
            }
        }
    }

    async fn look_once(&self, asked: Duration) -> Result<Seen, StoreError> {
        let slot = self.replayed.next_slot();
        if let Some(bytes) = self.replayed.log.read(slot).await? {
            return Ok(Seen::Entry(bytes));
        }
        // To one who slept, an entry that was deleted behind a snapshot looks like none.
        let slept = asked.saturating_sub(self.end_known) > IDLE_MAX;
        if slept && self.replayed.log.foreign_snapshot(slot).await?.is_some() {
            return Ok(Seen::Snapshot);
        }
        Ok(Seen::Nothing)
    }
}

fn drain(queue: &mut mpsc::Receiver<Request>) -> impl Iterator<Item = Request> {
    std::iter::from_fn(|| queue.try_recv().ok())
}

fn refuse(request: Request, ended: &Ended) {
    let error = MetadataError::Ended(ended.clone());
    match request {
        Request::Append(append) => {
            let _ = append.reply.send(Err(error));
        }
        Request::Look { reply, .. } => {
            let _ = reply.send(Err(error));
        }
        Request::Close => {}
    }
}
