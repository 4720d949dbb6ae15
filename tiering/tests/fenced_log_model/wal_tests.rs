//! The checks of the WAL's model: every property holds within the bound, every broken rule is found.

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    wal_model::WalModel,
    wal_properties::*,
    wal_system::{Broken, Budget},
};

/// Two writers of one log, one taker, 4 slots, P = 2, one of every fault.
fn two_writers() -> WalModel {
    WalModel {
        writers: 2,
        takers: 1,
        slots: 4,
        in_flight_max: 2,
        budget: Budget {
            lost_replies: 1,
            late_puts: 1,
            crashes: 1,
        },
        close: false,
        broken: None,
    }
}

/// One writer that may stop cleanly, two takers at once.
fn two_takers() -> WalModel {
    WalModel {
        writers: 1,
        takers: 2,
        slots: 3,
        close: true,
        ..two_writers()
    }
}

fn check(name: &str, model: WalModel) {
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} unique, depth {}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
    assert!(checker.is_done());
}

#[test]
fn two_writers_and_a_taker_lose_nothing() {
    check("two writers, one taker", two_writers());
}

#[test]
fn a_writer_that_may_close_and_two_takers_find_one_end() {
    check("one writer with close, two takers", two_takers());
}

/// Bounds of `.ci/full`, as are the next three.
#[test]
#[ignore = "minutes; run by name"]
fn full_two_takers_and_four_slots() {
    check(
        "two takers, 4 slots",
        WalModel {
            slots: 4,
            ..two_takers()
        },
    );
}

#[test]
#[ignore = "minutes; run by name"]
fn full_two_takers_and_two_crashes() {
    let budget = Budget {
        crashes: 2,
        ..two_takers().budget
    };
    check(
        "two takers, two crashes",
        WalModel {
            budget,
            ..two_takers()
        },
    );
}

#[test]
#[ignore = "minutes; run by name"]
fn full_two_writers_and_a_window_of_three() {
    let budget = Budget {
        late_puts: 0,
        ..two_writers().budget
    };
    let model = WalModel {
        in_flight_max: 3,
        budget,
        ..two_writers()
    };
    check("two writers, P = 3", model);
}

#[test]
#[ignore = "minutes; run by name"]
fn full_two_writers_and_two_takers() {
    let budget = Budget {
        late_puts: 0,
        ..two_writers().budget
    };
    let model = WalModel {
        takers: 2,
        slots: 3,
        budget,
        ..two_writers()
    };
    check("two writers, two takers", model);
}

#[test]
fn every_broken_rule_is_found() {
    for (broken, properties) in [
        (
            Broken::AcknowledgeAnySlot,
            &[ACKNOWLEDGED_IS_NEVER_LOST][..],
        ),
        (Broken::ExistsIsOurs, &[ACKNOWLEDGED_IS_NEVER_LOST]),
        (
            Broken::OtherBytesAfterUnclear,
            &[ACKNOWLEDGED_IS_NEVER_LOST],
        ),
        (Broken::SkipUnclearSlot, &[ACKNOWLEDGED_IS_NEVER_LOST]),
        (
            Broken::WindowCountsAnswers,
            &[AN_OBJECT_PROVES_WHAT_IS_BELOW],
        ),
        (Broken::EndWithoutSeal, &[ACKNOWLEDGED_IS_NEVER_LOST]),
        (Broken::OneSealOnly, &[ACKNOWLEDGED_IS_NEVER_LOST]),
        (Broken::HighestSeal, &[ONE_END, ONLY_DATA_BELOW_THE_END]),
        (Broken::FirstAnswerDecides, &[ONE_END]),
        (Broken::EarlierSealsIgnored, &[ONE_END]),
        (Broken::ListDecides, &[ONLY_DATA_BELOW_THE_END]),
        (Broken::CloseInFlight, &[ONLY_DATA_BELOW_THE_END]),
    ] {
        for property in properties {
            let model = WalModel {
                broken: Some(broken),
                ..if broken == Broken::CloseInFlight || broken == Broken::EarlierSealsIgnored {
                    two_takers()
                } else {
                    two_writers()
                }
            };
            let wanted = HasDiscoveries::AllOf([*property].into());
            let checker = model
                .checker()
                .threads(2)
                .finish_when(wanted)
                .spawn_bfs()
                .join();
            let found = checker.discovery(property);
            let path = found.unwrap_or_else(|| panic!("{broken:?} does not break: {property}"));
            println!(
                "{broken:?}: {} steps to break: {property}",
                path.into_actions().len()
            );
        }
    }
}
