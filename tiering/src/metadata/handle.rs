//! The controller's handle on the metadata log: append commands, read the image.
//!
//! Cheap to clone. Reading the image neither locks nor allocates. The writer behind it (`writer`) ends
//! when the handle is closed, when the last clone is dropped, or when somebody else becomes the
//! controller; then every append fails and [`MetadataLog::ended`] completes.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use prost::Message;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    env::Env,
    ids::Incarnation,
    metadata::{
        command::{Command, CommandOutcome},
        entry::{COMMAND_LEN_MAX, ENTRY_COMMANDS_LEN_MAX, ENTRY_COMMANDS_MAX},
        error::{Ended, MetadataError},
        image::{CommandRejected, Controller, Image},
        proto,
    },
};

/// Requests that wait for the writer; more callers wait in [`MetadataLog::append`].
pub(super) const QUEUE_LEN: usize = 1024;

/// Per command, in the order of the request.
pub type AppendResult = Vec<Result<CommandOutcome, CommandRejected>>;

pub(super) enum Request {
    Append(Append),
    /// Look at the next slot if the end was last known longer ago than this.
    Look {
        age_max: Duration,
        reply: oneshot::Sender<Result<(), MetadataError>>,
    },
    Close,
}

pub(super) struct Append {
    pub commands: Vec<Command>,
    /// Encoded, in bytes.
    pub len: usize,
    pub reply: oneshot::Sender<Result<AppendResult, MetadataError>>,
}

/// What writer and handles share.
pub(super) struct Shared {
    pub image: ArcSwap<Image>,
    pub images: watch::Sender<Arc<Image>>,
    pub ended: watch::Sender<Option<Ended>>,
}

#[derive(Clone)]
pub struct MetadataLog {
    pub(super) env: Env,
    pub(super) me: Controller,
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) shared: Arc<Shared>,
}

impl MetadataLog {
    /// The incarnation that writes.
    pub fn incarnation(&self) -> Incarnation {
        self.me.incarnation
    }

    /// The newest committed state.
    pub fn image(&self) -> Arc<Image> {
        self.shared.image.load_full()
    }

    /// As [`MetadataLog::image`], without touching its reference count; don't hold it across an await.
    pub fn load(&self) -> arc_swap::Guard<Arc<Image>> {
        self.shared.image.load()
    }

    /// Follows the committed states; a slow reader sees the newest and may miss others. What changed
    /// between two of them say the deltas of each domain.
    pub fn watch(&self) -> watch::Receiver<Arc<Image>> {
        self.shared.images.subscribe()
    }

    /// Appends commands, all in one entry, each accepted or rejected by itself, in order. On return the
    /// accepted ones are durable and in [`MetadataLog::image`]; a rejection was decided on a state that
    /// is durable. Dropping the future does not cancel commands that the writer has got.
    ///
    /// After `Ended` it is unknown whether the commands are in the log.
    pub async fn append(&self, commands: Vec<Command>) -> Result<AppendResult, MetadataError> {
        let len = encoded_len(&commands)?;
        let (reply, answer) = oneshot::channel();
        let append = Append {
            commands,
            len,
            reply,
        };
        self.send(Request::Append(append)).await?;
        answer.await.unwrap_or_else(|_| Err(self.why_ended()))
    }

    /// [`MetadataLog::append`] of one command.
    pub async fn append_one(
        &self,
        command: Command,
    ) -> Result<Result<CommandOutcome, CommandRejected>, MetadataError> {
        let mut results = self.append(vec![command]).await?;
        Ok(results.pop().expect("one result per command"))
    }

    /// `Ok`: nobody else became the controller up to `age_max` ago, as far as can be known: a store
    /// that does not answer within `limit` counts as yes (design §6, staleness). Costs one read of the
    /// next slot, and nothing when the last look or append is younger than `age_max`.
    pub async fn check_controller(
        &self,
        age_max: Duration,
        limit: Duration,
    ) -> Result<(), MetadataError> {
        let look = async {
            let (reply, answer) = oneshot::channel();
            self.send(Request::Look { age_max, reply }).await?;
            answer.await.unwrap_or_else(|_| Err(self.why_ended()))
        };
        self.env.timeout(limit, look).await.unwrap_or(Ok(()))
    }

    /// Completes when this process writes to the log no more.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.shared.ended.subscribe();
        let reason = ended.wait_for(Option::is_some).await;
        reason
            .ok()
            .and_then(|reason| reason.clone())
            .unwrap_or(Ended::Closed)
    }

    /// Ends the writer once everything appended before is answered.
    pub async fn close(&self) {
        if self.send(Request::Close).await.is_ok() {
            self.ended().await;
        }
    }

    async fn send(&self, request: Request) -> Result<(), MetadataError> {
        let sent = self.requests.send(request).await;
        sent.map_err(|_| self.why_ended())
    }

    fn why_ended(&self) -> MetadataError {
        let reason = self.shared.ended.borrow().clone();
        MetadataError::Ended(reason.unwrap_or(Ended::Closed))
    }
}

fn encoded_len(commands: &[Command]) -> Result<usize, MetadataError> {
    let count = commands.len();
    let mut total = 0;
    for command in commands {
        let len = proto::Command::from(command).encoded_len();
        total += len;
        if len > COMMAND_LEN_MAX {
            return Err(MetadataError::TooLarge { len, count });
        }
    }
    if total > ENTRY_COMMANDS_LEN_MAX || count > ENTRY_COMMANDS_MAX {
        return Err(MetadataError::TooLarge { len: total, count });
    }
    Ok(total)
}
