//! Checkpoints and their pages: what was built is what is read, impossible pages are refused.

use weir_protocol::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use weir_tiering::{
    format::{
        FormatError, ObjectKind, WalRange,
        checkpoint::{BuiltCheckpoint, build_checkpoint, decode_checkpoint, decode_page},
        page::{EpochStart, Page, PartitionRoot, ProducerEntry},
        wal::ProducerBatch,
    },
    ids::{BrokerEpoch, BrokerId, Incarnation, OwnershipEpoch, PgId, Slot},
};

use crate::wal::{WRITER, bytes_of, identity, partition};

pub fn producer(id: i64, batch_count: i64) -> ProducerEntry {
    ProducerEntry {
        producer: ProducerId(id),
        producer_epoch: ProducerEpoch(2),
        last_timestamp: 1_700_000_000_500,
        batches: (0..batch_count)
            .map(|n| ProducerBatch {
                epoch: ProducerEpoch(2),
                sequence_first: n as i32 * 10,
                sequence_last: n as i32 * 10 + 9,
                offset_first: Offset(n * 10),
                offset_last: Offset(n * 10 + 9),
                timestamp: 1_700_000_000_000 + n,
            })
            .collect(),
        coordinator_epoch: None,
        transaction_first_offset: None,
    }
}

pub fn page(pg: u32, partitions: Vec<PartitionRoot>) -> Page {
    Page {
        pg: PgId(pg),
        ownership_epoch: OwnershipEpoch(4),
        writer: WRITER,
        lane: 0,
        as_of: Slot(12),
        partitions,
        live_wal: vec![
            WalRange {
                incarnation: Incarnation {
                    broker: BrokerId(7),
                    epoch: BrokerEpoch(12),
                },
                lane: 0,
                from: Slot(3),
                to: Slot(77),
            },
            WalRange {
                incarnation: WRITER,
                lane: 0,
                from: Slot(0),
                to: Slot(12),
            },
        ],
        merged: vec![],
        producers_base: None,
    }
}

pub fn root(topic: u8, index: i32, producers: Vec<ProducerEntry>) -> PartitionRoot {
    PartitionRoot {
        log_start: Offset(5),
        log_end: Offset(120),
        high_watermark: Offset(120),
        leader_epochs: vec![
            EpochStart {
                leader_epoch: LeaderEpoch(0),
                start_offset: Offset(0),
            },
            EpochStart {
                leader_epoch: LeaderEpoch(4),
                start_offset: Offset(100),
            },
        ],
        producers,
        ..PartitionRoot::empty(partition(topic, index))
    }
}

/// Two pages; the second is a delta on the page that the first reference of an older checkpoint
/// would name.
pub fn small_checkpoint() -> (BuiltCheckpoint, Vec<Page>) {
    let first = page(
        3,
        vec![root(1, 0, vec![producer(4000, 5)]), root(1, 1, vec![])],
    );
    let older = build_checkpoint(
        &identity(ObjectKind::Checkpoint, 1),
        0,
        Slot(12),
        std::slice::from_ref(&first),
    )
    .expect("a valid page");
    let mut changed = root(9, 0, vec![producer(4001, 1)]);
    changed.producers_removed = vec![ProducerId(17), ProducerId(18)];
    let mut second = page(200, vec![changed]);
    second.producers_base = Some(older.pages[0].1);
    let pages = vec![first, second];
    let identity = identity(ObjectKind::Checkpoint, 2);
    let built = build_checkpoint(&identity, 0, Slot(12), &pages).expect("valid pages");
    (built, pages)
}

#[test]
fn every_page_is_read_whole_and_by_its_own_range() {
    let large = (0..2000).map(|id| producer(id, 3)).collect();
    let (built, mut pages) = small_checkpoint();
    let identity = identity(ObjectKind::Checkpoint, 2);
    pages.push(page(201, vec![root(5, 0, large)]));
    for (built, pages) in [
        (built, &pages[..2]),
        (
            build_checkpoint(&identity, 0, Slot(12), &pages).unwrap(),
            &pages,
        ),
    ] {
        let bytes = bytes_of(&built.object);
        let checkpoint = decode_checkpoint(&bytes).unwrap();
        assert_eq!(checkpoint.as_of, Slot(12));
        assert_eq!(checkpoint.pages.len(), pages.len());
        for ((entry, (pg, reference)), page) in checkpoint.pages.iter().zip(&built.pages).zip(pages)
        {
            assert_eq!((entry.pg, &entry.page), (*pg, reference));
            assert_eq!(&checkpoint.page(entry).unwrap(), page);
            let start = reference.position as usize;
            let range = bytes.slice(start..start + reference.len as usize);
            assert_eq!(&decode_page(&range, reference).unwrap(), page);
        }
    }
}

#[test]
fn large_pages_are_compressed() {
    let producers = (0..2000).map(|id| producer(id, 3)).collect();
    let identity = identity(ObjectKind::Checkpoint, 2);
    let pages = [page(1, vec![root(5, 0, producers)])];
    let built = build_checkpoint(&identity, 0, Slot(12), &pages).unwrap();
    assert!(
        built.object.body.len() < 60_000,
        "{}",
        built.object.body.len()
    );
}

type Breaker = fn(&mut Page);

#[test]
fn impossible_pages_are_not_written() {
    let breakers: [(&str, Breaker); 9] = [
        ("as of another slot", |page| page.as_of = Slot(11)),
        ("order of partitions", |page| page.partitions.swap(0, 1)),
        ("high watermark", |page| {
            page.partitions[0].high_watermark = Offset(121)
        }),
        ("log start", |page| {
            page.partitions[0].log_start = Offset(121)
        }),
        ("leader epochs", |page| {
            page.partitions[0].leader_epochs.reverse()
        }),
        ("removed without a base", |page| {
            page.partitions[0].producers_removed = vec![ProducerId(1)]
        }),
        ("six batches", |page| {
            page.partitions[0].producers = vec![producer(1, 6)]
        }),
        ("two ranges of one WAL", |page| {
            page.live_wal[0].incarnation = WRITER
        }),
        ("range backwards", |page| page.live_wal[1].from = Slot(13)),
    ];
    let identity = identity(ObjectKind::Checkpoint, 2);
    for (name, break_it) in breakers {
        let mut page = page(
            3,
            vec![root(1, 0, vec![producer(1, 5)]), root(1, 1, vec![])],
        );
        let build = |page: &Page| {
            build_checkpoint(&identity, 0, Slot(12), std::slice::from_ref(page)).map(|_| ())
        };
        assert_eq!(build(&page), Ok(()), "canary");
        break_it(&mut page);
        assert!(
            matches!(build(&page), Err(FormatError::Invalid { .. })),
            "{name}"
        );
    }
}
