//! Producer ids: handed out from blocks that are entries of the metadata log.
//!
//! Invariant: an id is given once in a cluster, for ever: a block is used only after its entry is
//! committed, and a new incarnation begins with a new block. What is left of a block is lost with its
//! incarnation.

use tokio::sync::Mutex;
use weir_protocol::types::ProducerId;
use weir_tiering::{
    ids::Incarnation,
    metadata::{
        Command, CommandOutcome, MetadataError, MetadataLog,
        image::producer_ids::{AllocateProducerIds, ProducerIdBlock},
    },
};

pub struct ProducerIds {
    metadata: MetadataLog,
    incarnation: Incarnation,
    block: Mutex<Option<ProducerIdBlock>>,
}

/// No id could be had; ask again.
#[derive(Debug, thiserror::Error)]
pub enum ProducerIdError {
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    #[error("the controller refused a block of producer ids: {0}")]
    Refused(String),
}

impl ProducerIds {
    pub fn new(metadata: MetadataLog, incarnation: Incarnation) -> ProducerIds {
        ProducerIds {
            metadata,
            incarnation,
            block: Mutex::default(),
        }
    }

    /// A producer id that nobody ever had.
    pub async fn next(&self) -> Result<ProducerId, ProducerIdError> {
        let mut block = self.block.lock().await;
        let mut current = match block.take().filter(|block| block.len > 0) {
            Some(block) => block,
            None => self.allocate().await?,
        };
        let id = current.first;
        current.first = ProducerId(id.0 + 1);
        current.len -= 1;
        *block = Some(current);
        Ok(id)
    }

    async fn allocate(&self) -> Result<ProducerIdBlock, ProducerIdError> {
        let command = Command::AllocateProducerIds(AllocateProducerIds {
            incarnation: self.incarnation,
        });
        match self.metadata.append_one(command).await? {
            Ok(CommandOutcome::ProducerIds(block)) => Ok(block),
            Ok(other) => Err(ProducerIdError::Refused(format!("unexpected {other:?}"))),
            Err(rejected) => Err(ProducerIdError::Refused(rejected.to_string())),
        }
    }
}
