//! Steps (b) to (d) of a takeover, for every incarnation that is fenced and not sealed.

use super::{IncarnationError, Place, accepted};
use crate::{
    fenced_log::{EndBounds, WalName, WalTaker},
    metadata::{Command, MetadataLog, image::incarnations::SealIncarnation},
    ownership::assign,
};

/// Ends the logs of all fenced incarnations, takes their groups and those without an owner. Durable on
/// return. May be repeated, by anybody.
pub async fn take_over(place: &Place, metadata: &MetadataLog) -> Result<(), IncarnationError> {
    let incarnation = metadata.incarnation();
    let taker = WalTaker {
        env: place.env.clone(),
        store: place.store.clone(),
        cluster: place.cluster,
        incarnation,
        patience: place.patience,
    };
    let image = metadata.image();
    for record in image.incarnations.to_seal() {
        let wal = WalName {
            incarnation: record.incarnation,
            lane: 0,
        };
        let bounds = EndBounds::from_checkpoint(record.checkpointed);
        let sealed = SealIncarnation {
            incarnation: record.incarnation,
            end: taker.seal(wal, bounds).await?,
            clean: false,
            assignments: assign::inherit(&image, record.incarnation, incarnation),
        };
        accepted(metadata, Command::SealIncarnation(sealed)).await?;
    }
    if let Some(rest) = assign::all_to(&metadata.image(), incarnation) {
        accepted(metadata, Command::AssignPgs(rest)).await?;
    }
    Ok(())
}
