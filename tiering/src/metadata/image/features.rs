//! The finalized feature level: what every broker of the cluster is known to understand. New fields
//! and commands are written only at the level that introduced them.

use super::CommandRejected;
use crate::ids::Slot;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureLevel(pub u32);

impl FeatureLevel {
    /// Where every cluster begins.
    pub const FIRST: FeatureLevel = FeatureLevel(1);
    /// The highest that this build understands.
    pub const LATEST: FeatureLevel = FeatureLevel(1);
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalizeFeatures {
    pub level: FeatureLevel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeaturesImage {
    pub level: FeatureLevel,
    /// Slot that finalized the level; 0 at first. Kafka's finalized features epoch.
    pub epoch: Slot,
}

impl Default for FeaturesImage {
    fn default() -> Self {
        FeaturesImage {
            level: FeatureLevel::FIRST,
            epoch: Slot(0),
        }
    }
}

impl FeaturesImage {
    /// A level that a reader's build does not know never gets here: decoding it fails. So what is
    /// decided here does not depend on the build.
    pub(super) fn finalize(
        &mut self,
        command: &FinalizeFeatures,
        slot: Slot,
    ) -> Result<(), CommandRejected> {
        if command.level <= self.level || command.level > FeatureLevel::LATEST {
            return Err(CommandRejected::InvalidFeatureLevel(command.level.0));
        }
        self.level = command.level;
        self.epoch = slot;
        Ok(())
    }
}
