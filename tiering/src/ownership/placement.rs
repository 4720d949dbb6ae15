//! Which placement group a partition belongs to: the only code that knows.

use weir_protocol::types::{PartitionIndex, Uuid};

use crate::ids::PgId;

/// PG count of new topics. Topics keep the count that they were created with.
pub const DEFAULT_PG_COUNT: u32 = 256;

/// Bound on PG numbers, exclusive.
pub const MAX_PGS: u32 = 65_536;

/// How a topic maps its partitions to PGs; a part of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// N, ≥ 1.
    pub pg_count: u32,
    /// The lowest PG; the topic uses `pg_base .. pg_base + pg_count`.
    pub pg_base: PgId,
    /// Partitions that are elsewhere, sorted by partition, each at most once.
    pub overrides: Vec<(PartitionIndex, PgId)>,
}

impl Default for Placement {
    fn default() -> Self {
        Placement {
            pg_count: DEFAULT_PG_COUNT,
            pg_base: PgId(0),
            overrides: Vec::new(),
        }
    }
}

impl Placement {
    /// The PG of `partition` (≥ 0) of topic `topic`: its override, or
    /// `base + (hash(topic) + partition) mod N`, the hash being CRC32C of the id's 16 bytes.
    pub fn pg_of(&self, topic: &Uuid, partition: PartitionIndex) -> PgId {
        if let Ok(at) = self
            .overrides
            .binary_search_by_key(&partition, |(partition, _)| *partition)
        {
            return self.overrides[at].1;
        }
        let spread = u64::from(crc32c::crc32c(&topic.0)) + u64::from(partition.0.unsigned_abs());
        let within = spread % u64::from(self.pg_count.max(1));
        PgId(self.pg_base.0.saturating_add(within as u32))
    }

    /// Whether every PG is below [`MAX_PGS`] and the overrides are sorted, unique, and of partitions
    /// below `partitions`.
    pub fn is_valid(&self, partitions: i32) -> bool {
        let end = u64::from(self.pg_base.0) + u64::from(self.pg_count);
        let ordered = self.overrides.windows(2).all(|w| w[0].0 < w[1].0);
        let in_range = self
            .overrides
            .iter()
            .all(|(p, pg)| (0..partitions).contains(&p.0) && pg.0 < MAX_PGS);
        self.pg_count >= 1 && end <= u64::from(MAX_PGS) && ordered && in_range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_spread_over_the_groups_and_overrides_win() {
        let topic = Uuid([7; 16]);
        let mut placement = Placement::default();
        let first = placement.pg_of(&topic, PartitionIndex(0));
        let mut seen = std::collections::BTreeSet::new();
        for p in 0..256 {
            let pg = placement.pg_of(&topic, PartitionIndex(p));
            assert_eq!(pg.0, (first.0 + p as u32) % 256);
            seen.insert(pg);
        }
        assert_eq!(seen.len(), 256);
        placement.overrides = vec![(PartitionIndex(3), PgId(900))];
        assert_eq!(placement.pg_of(&topic, PartitionIndex(3)), PgId(900));
        assert!(placement.is_valid(4));
        assert!(!placement.is_valid(3));
    }

    #[test]
    fn the_mapping_is_pinned_because_stored_data_depends_on_it() {
        let topic = Uuid(*b"0123456789abcdef");
        let small = Placement {
            pg_count: 10,
            pg_base: PgId(100),
            overrides: Vec::new(),
        };
        let crc = crc32c::crc32c(b"0123456789abcdef");
        assert_eq!(
            small.pg_of(&topic, PartitionIndex(i32::MAX)),
            PgId(100 + ((u64::from(crc) + 2_147_483_647) % 10) as u32)
        );
        let default = Placement::default();
        assert_eq!(default.pg_of(&topic, PartitionIndex(0)), PgId(crc % 256));
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }
}
