//! Rules of incarnations, ownership and checkpoints.

use super::{
    CommandRejected, Image,
    incarnations::{FenceIncarnation, IncarnationState, SealIncarnation},
    ownership::{AssignPgs, Assignment, OwnershipDelta, ReplayRange},
};
use crate::{
    ids::{BrokerId, Incarnation, OwnershipEpoch, PgId, Slot},
    metadata::{
        CheckpointOutcome, Command, CommandOutcome,
        testing::{incarnation, ok, page, register, rejected},
    },
    ownership::{
        assign,
        checkpoint_record::{CheckpointRecord, PageUpdate},
    },
};

fn seal(incarnation: Incarnation, end: u64, clean: bool, to: &[(u32, Incarnation)]) -> Command {
    Command::SealIncarnation(SealIncarnation {
        incarnation,
        end: Slot(end),
        clean,
        assignments: assignments(to),
    })
}

fn assignments(to: &[(u32, Incarnation)]) -> Vec<Assignment> {
    to.iter()
        .map(|(pg, owner)| Assignment {
            pg: PgId(*pg),
            owner: *owner,
        })
        .collect()
}

fn assign_to(to: &[(u32, Incarnation)]) -> Command {
    Command::AssignPgs(AssignPgs {
        assignments: assignments(to),
    })
}

fn update(pg: u32, epoch: i32, previous: Option<u64>, number: u64, by: Incarnation) -> PageUpdate {
    PageUpdate {
        pg: PgId(pg),
        epoch: OwnershipEpoch(epoch),
        previous: previous.map(|n| page(by, n)),
        page: page(by, number),
    }
}

fn checkpoint(by: Incarnation, k: u64, floors: (u64, u64), pages: Vec<PageUpdate>) -> Command {
    Command::Checkpoint(CheckpointRecord {
        incarnation: by,
        committed: Slot(k),
        data_floor: floors.0,
        wal_floor: Slot(floors.1),
        pages,
    })
}

#[test]
fn a_new_registration_fences_the_one_before_and_the_first_broker_stays_first() {
    let mut image = Image::default();
    assert_eq!(image.incarnations.first_registered_broker(), None);
    ok(&mut image, 3, register(7));
    ok(&mut image, 5, register(2));
    ok(&mut image, 8, register(7));
    assert_eq!(
        image.incarnations.first_registered_broker(),
        Some(BrokerId(7))
    );
    let state = |image: &Image, i| image.incarnations.get(&i).unwrap().state;
    assert_eq!(state(&image, incarnation(7, 3)), IncarnationState::Fenced);
    assert_eq!(state(&image, incarnation(7, 8)), IncarnationState::Active);
    assert_eq!(state(&image, incarnation(2, 5)), IncarnationState::Active);
    let latest = image.incarnations.latest(BrokerId(7)).unwrap();
    assert_eq!(latest.incarnation, incarnation(7, 8));
    let to_seal: Vec<_> = image
        .incarnations
        .to_seal()
        .map(|r| r.incarnation)
        .collect();
    assert_eq!(to_seal, [incarnation(7, 3)]);
    let fence = |i| Command::FenceIncarnation(FenceIncarnation { incarnation: i });
    assert_eq!(
        rejected(&mut image, fence(incarnation(7, 3))),
        CommandRejected::NotActive(incarnation(7, 3))
    );
    assert_eq!(
        rejected(&mut image, fence(incarnation(9, 9))),
        CommandRejected::UnknownIncarnation(incarnation(9, 9))
    );
    assert_eq!(
        rejected(&mut image, seal(incarnation(7, 3), 4, true, &[])),
        CommandRejected::NotActive(incarnation(7, 3))
    );
    ok(&mut image, 9, seal(incarnation(7, 3), 4, false, &[]));
    assert_eq!(
        state(&image, incarnation(7, 3)),
        IncarnationState::Sealed { end: Slot(4) }
    );
    assert_eq!(
        rejected(&mut image, seal(incarnation(7, 3), 5, false, &[])),
        CommandRejected::AlreadySealed {
            incarnation: incarnation(7, 3),
            end: Slot(4)
        }
    );
}

#[test]
fn a_live_owner_keeps_its_groups_and_a_sealed_one_hands_them_on() {
    let mut image = Image::default();
    let (one, two) = (incarnation(1, 0), incarnation(2, 1));
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, register(2));
    ok(&mut image, 2, assign_to(&[(3, one), (4, one)]));
    assert_eq!(
        rejected(&mut image, assign_to(&[(5, two), (3, two)])),
        CommandRejected::PgOwned {
            pg: PgId(3),
            owner: one
        }
    );
    for bad in [&[(5, two), (5, two)][..], &[(65_536, two)]] {
        let invalid = rejected(&mut image, assign_to(bad));
        assert!(
            matches!(invalid, CommandRejected::InvalidPg(_)),
            "{invalid}"
        );
    }
    assert_eq!(
        rejected(&mut image, seal(one, 6, false, &[(3, one)])),
        CommandRejected::NotActive(one)
    );
    let before = image.clone();
    ok(&mut image, 3, seal(one, 6, false, &[(3, two)]));
    let (three, four) = (image.ownership.get(PgId(3)), image.ownership.get(PgId(4)));
    let (three, four) = (three.unwrap(), four.unwrap());
    assert_eq!((three.owner, three.epoch), (Some(two), OwnershipEpoch(1)));
    let range = |wal, to: Option<u64>, epoch| ReplayRange {
        wal,
        from: Slot(0),
        to: to.map(Slot),
        epoch: OwnershipEpoch(epoch),
    };
    assert_eq!(three.replay, [range(one, Some(6), 0), range(two, None, 1)]);
    assert_eq!((four.owner, four.epoch), (None, OwnershipEpoch(0)));
    assert_eq!(four.replay, [range(one, Some(6), 0)]);
    let delta = OwnershipDelta::between(&before.ownership, &image.ownership);
    assert_eq!(delta.changed, [PgId(3), PgId(4)]);
    let assign = assign::all_to(&image, two).unwrap();
    assert_eq!(assign.assignments.len(), 255);
    ok(&mut image, 4, Command::AssignPgs(assign));
    assert_eq!(assign::all_to(&image, two), None);
    assert_eq!(assign::inherit(&image, two, one).len(), 256);
    assert_eq!(
        image.ownership.get(PgId(4)).unwrap().epoch,
        OwnershipEpoch(1)
    );
    assert_eq!(
        image.ownership.get(PgId(9)).unwrap().epoch,
        OwnershipEpoch(0)
    );
}

#[test]
fn a_checkpoint_moves_every_owned_group_and_counts_page_by_page() {
    let mut image = Image::default();
    let (one, two) = (incarnation(1, 0), incarnation(2, 1));
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, register(2));
    ok(&mut image, 2, assign_to(&[(0, one), (1, one), (2, one)]));
    ok(
        &mut image,
        2,
        seal(one, 5, false, &[(0, two), (1, two), (2, two)]),
    );
    ok(&mut image, 2, assign_to(&[(3, two)]));
    let pages = vec![
        update(0, 1, None, 1, two),
        update(1, 0, None, 1, two),    // another epoch
        update(2, 1, Some(9), 1, two), // another page before
        update(7, 0, None, 1, two),    // not owned
    ];
    let record = checkpoint(two, 10, (2, 4), pages);
    let outcome = CheckpointOutcome {
        accepted: 1,
        refused: vec![PgId(1), PgId(2), PgId(7)],
    };
    assert_eq!(
        ok(&mut image, 3, record.clone()),
        CommandOutcome::Checkpoint(outcome.clone())
    );
    let replay = |image: &Image, pg| {
        let record = image.ownership.get(PgId(pg)).unwrap();
        record
            .replay
            .iter()
            .map(|r| (r.wal, r.from.0, r.to))
            .collect::<Vec<_>>()
    };
    // Accepted: earlier owners' ranges are in the page.
    assert_eq!(replay(&image, 0), [(two, 10, None)]);
    assert_eq!(
        image.ownership.get(PgId(0)).unwrap().page,
        Some(page(two, 1))
    );
    // Refused: all stays.
    for pg in [1, 2] {
        assert_eq!(
            replay(&image, pg),
            [(one, 0, Some(Slot(5))), (two, 0, None)]
        );
    }
    // Not dirty: moved all the same.
    assert_eq!(replay(&image, 3), [(two, 10, None)]);
    let current = image.incarnations.get(&two).unwrap();
    assert_eq!(
        (current.checkpointed, current.data_floor, current.wal_floor),
        (Slot(10), 2, Slot(4))
    );
    // Repeated: what was accepted stays so; a page that was refused is below the floor by now.
    let before = image.state_hash();
    let again = vec![
        update(0, 1, None, 1, two),
        update(1, 0, None, 2, two),
        update(2, 1, Some(9), 2, two),
        update(7, 0, None, 2, two),
    ];
    assert_eq!(
        ok(&mut image, 4, checkpoint(two, 10, (2, 4), again)),
        CommandOutcome::Checkpoint(outcome)
    );
    assert_eq!(image.state_hash(), before);
    let late = rejected(&mut image, record);
    assert!(
        matches!(late, CommandRejected::OutputBelowFloor { .. }),
        "{late}"
    );
    // A grant begins at the last checkpoint.
    ok(&mut image, 5, assign_to(&[(4, two)]));
    assert_eq!(replay(&image, 4), [(two, 10, None)]);
}

#[test]
fn a_checkpoint_that_is_late_or_names_what_it_promised_not_to_is_void() {
    let mut image = Image::default();
    let one = incarnation(1, 0);
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, assign_to(&[(0, one)]));
    ok(
        &mut image,
        2,
        checkpoint(one, 10, (5, 4), vec![update(0, 0, None, 4, one)]),
    );
    let stale = CommandRejected::StaleCheckpoint {
        last: Slot(10),
        committed: Slot(9),
    };
    assert_eq!(
        rejected(&mut image, checkpoint(one, 9, (5, 4), vec![])),
        stale
    );
    for floors in [(4, 4), (5, 3), (5, 12)] {
        let bad = CommandRejected::BadFloor(one);
        assert_eq!(
            rejected(&mut image, checkpoint(one, 11, floors, vec![])),
            bad
        );
    }
    let below = |number| CommandRejected::OutputBelowFloor {
        incarnation: one,
        number,
        floor: 5,
    };
    let named = vec![update(0, 0, Some(4), 3, one)];
    assert_eq!(
        rejected(&mut image, checkpoint(one, 11, (5, 4), named)),
        below(3)
    );
    let foreign = vec![update(0, 0, Some(4), 8, incarnation(9, 9))];
    assert_eq!(
        rejected(&mut image, checkpoint(one, 11, (5, 4), foreign)),
        below(8)
    );
    let twice = vec![update(0, 0, Some(4), 6, one), update(0, 0, Some(4), 7, one)];
    assert_eq!(
        rejected(&mut image, checkpoint(one, 11, (5, 4), twice)),
        CommandRejected::InvalidPg(PgId(0))
    );
    assert_eq!(
        rejected(&mut image, seal(one, 9, false, &[])),
        CommandRejected::SealedBelowCheckpoint {
            incarnation: one,
            checkpointed: Slot(10),
            end: Slot(9)
        }
    );
    ok(
        &mut image,
        3,
        Command::FenceIncarnation(FenceIncarnation { incarnation: one }),
    );
    let late = checkpoint(one, 12, (6, 4), vec![update(0, 0, Some(4), 9, one)]);
    assert_eq!(rejected(&mut image, late), CommandRejected::NotActive(one));
}

#[test]
fn a_clean_stop_at_its_checkpoint_leaves_nothing_to_replay() {
    let mut image = Image::default();
    let one = incarnation(1, 0);
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, assign_to(&[(0, one), (1, one)]));
    ok(
        &mut image,
        2,
        checkpoint(one, 10, (5, 4), vec![update(0, 0, None, 4, one)]),
    );
    ok(&mut image, 3, seal(one, 10, true, &[]));
    let closed = IncarnationState::Closed { end: Slot(10) };
    assert_eq!(image.incarnations.get(&one).unwrap().state, closed);
    assert_eq!(image.incarnations.to_seal().count(), 0);
    for (_, record) in image.ownership.iter() {
        assert_eq!((record.owner, record.replay.len()), (None, 0));
    }
}
