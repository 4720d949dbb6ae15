use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    metadata_model::*,
    metadata_system::{Broken, Budget},
};

/// Two candidates, 4 slots, one of every fault, one deletion below a snapshot.
fn two_controllers() -> MetadataModel {
    MetadataModel {
        controllers: 2,
        slots: 4,
        commands_max: 2,
        budget: Budget {
            lost_replies: 1,
            late_puts: 1,
            crashes: 1,
            deletions: 1,
        },
        broken: None,
    }
}

/// Three candidates without network faults: two may sleep while the third one deletes.
fn three_controllers() -> MetadataModel {
    MetadataModel {
        controllers: 3,
        budget: Budget {
            lost_replies: 0,
            late_puts: 0,
            crashes: 0,
            deletions: 1,
        },
        ..two_controllers()
    }
}

fn check(name: &str, model: MetadataModel) {
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
fn two_controllers_share_one_log() {
    check("two controllers", two_controllers());
}

#[test]
fn sleepers_neither_believe_nor_mislead() {
    check("three controllers", three_controllers());
}

/// Bounds of `.ci/full`, as is the next one.
#[test]
#[ignore = "minutes; run by name"]
fn full_two_controllers_five_slots_and_two_deletions() {
    let model = two_controllers();
    let budget = Budget {
        deletions: 2,
        ..model.budget
    };
    check(
        "5 slots, two deletions",
        MetadataModel {
            slots: 5,
            budget,
            ..model
        },
    );
}

#[test]
#[ignore = "minutes; run by name"]
fn full_three_controllers_and_a_lost_reply() {
    let model = three_controllers();
    let budget = Budget {
        lost_replies: 1,
        ..model.budget
    };
    check(
        "three controllers, a lost reply",
        MetadataModel { budget, ..model },
    );
}

#[test]
fn every_broken_rule_is_found() {
    for (broken, property) in [
        (Broken::LowerTermCounts, ONLY_THE_CONTROLLER_WRITES),
        (Broken::SleeperTrustsCreated, ANSWERED_IS_IN_THE_LOG),
        (Broken::SleeperTrustsReads, SAME_STATE_AT_THE_SAME_SLOT),
        (Broken::BlindReappend, NO_COMMAND_TWICE),
        (Broken::AnswerBeforeCommit, ANSWERED_IS_IN_THE_LOG),
        (Broken::AnswerBeforeReplay, ANSWERED_IS_IN_THE_LOG),
        (Broken::ExistsIsOurs, ANSWERED_IS_IN_THE_LOG),
    ] {
        let model = MetadataModel {
            broken: Some(broken),
            ..if broken == Broken::SleeperTrustsReads {
                three_controllers()
            } else {
                two_controllers()
            }
        };
        let wanted = HasDiscoveries::AllOf([property].into());
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
