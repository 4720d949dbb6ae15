//! Producer ids: handed out in blocks, each to one incarnation, used only once the entry with the
//! block is committed. No id is ever handed out twice; what an incarnation did not use is lost.

use weir_protocol::types::ProducerId;

use super::CommandRejected;
use crate::ids::Incarnation;

/// Kafka's block size.
pub const BLOCK_LEN: i64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocateProducerIds {
    pub incarnation: Incarnation,
}

/// `first .. first + len`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    pub first: ProducerId,
    pub len: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProducerIdsImage {
    /// First id of the next block.
    pub next: ProducerId,
}

impl ProducerIdsImage {
    pub(super) fn allocate(&mut self) -> Result<ProducerIdBlock, CommandRejected> {
        let first = self.next;
        let end = (first.0.checked_add(BLOCK_LEN)).ok_or(CommandRejected::ProducerIdsExhausted)?;
        self.next = ProducerId(end);
        Ok(ProducerIdBlock {
            first,
            len: BLOCK_LEN,
        })
    }
}
