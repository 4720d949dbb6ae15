//! The WALs that this process reads: a small number for each, so that a run's entry stays small.

use std::sync::RwLock;

use crate::{ids::Incarnation, log::WalIndex};

/// Numbers are handed out once and never change.
#[derive(Default)]
pub struct WalTable {
    wals: RwLock<Vec<Incarnation>>,
}

impl WalTable {
    /// The number of an incarnation's WAL, given on first use. `None` when 65,536 are in use.
    pub fn index_of(&self, incarnation: Incarnation) -> Option<WalIndex> {
        let mut wals = self.wals.write().expect("no code panics under this lock");
        let index = match wals.iter().position(|known| *known == incarnation) {
            Some(index) => index,
            None => {
                wals.push(incarnation);
                wals.len() - 1
            }
        };
        u16::try_from(index).ok().map(WalIndex)
    }

    /// The WAL behind a number that [`WalTable::index_of`] gave.
    pub fn get(&self, index: WalIndex) -> Incarnation {
        self.wals.read().expect("no code panics under this lock")[usize::from(index.0)]
    }
}
