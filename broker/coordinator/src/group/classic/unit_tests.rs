//! The small decisions of a group, without a shard around it.

use bytes::Bytes;

use super::group::ClassicGroup;
use super::member::{Member, MemberProtocol};
use super::state::GroupState::*;
use crate::Token;
use crate::api::Now;
use crate::testing::{G, check_group, protocols, subscription};

const NOW: Now = Now {
    wall_ms: 1,
    boot: std::time::Duration::ZERO,
};

fn member(id: &str, protocols: Vec<MemberProtocol>) -> Member {
    Member {
        id: id.into(),
        instance: None,
        client_id: "client".into(),
        client_host: "/host".into(),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        protocols,
        assignment: Bytes::new(),
        is_new: false,
        awaiting_join: None,
        awaiting_sync: None,
    }
}

/// A group in PreparingRebalance whose members m0, m1, … offer these.
fn group(offers: &[&[&str]]) -> ClassicGroup {
    let mut group = ClassicGroup::new(G.into(), NOW);
    group.transition_to(PreparingRebalance, NOW);
    for (i, names) in offers.iter().enumerate() {
        let member = member(&format!("m{i}"), protocols(names));
        group.add(member, "consumer".into());
    }
    group
}

#[test]
fn the_protocol_with_most_votes_among_the_common_ones_wins() {
    let cases: [(&[&[&str]], Option<&str>); 8] = [
        (&[], None),
        (&[&["range", "roundrobin"]], Some("range")),
        // A tie: the order of the oldest member.
        (
            &[&["range", "roundrobin"], &["roundrobin", "range"]],
            Some("range"),
        ),
        (
            &[&["roundrobin", "range"], &["range", "roundrobin"]],
            Some("roundrobin"),
        ),
        (
            &[
                &["range", "roundrobin"],
                &["roundrobin", "range"],
                &["roundrobin", "range"],
            ],
            Some("roundrobin"),
        ),
        // "blah" has the votes of its fans, but not all members have it.
        (&[&["blah", "range"], &["range"]], Some("range")),
        (
            &[&["range", "roundrobin"], &["foo", "roundrobin"]],
            Some("roundrobin"),
        ),
        // A vote goes to the first of one's own that is common.
        (&[&["a", "b", "c"], &["c", "b"], &["b", "c"]], Some("b")),
    ];
    for (offers, expected) in cases {
        let selected = group(offers).select_protocol();
        assert_eq!(selected.as_deref(), expected, "{offers:?}");
    }
}

#[test]
fn an_empty_group_takes_any_protocols_and_others_need_a_common_one() {
    let empty = ClassicGroup::new(G.into(), NOW);
    assert!(empty.supports_protocols("consumer", &protocols(&["x"])));
    assert!(!empty.supports_protocols("", &protocols(&["x"])));
    assert!(!empty.supports_protocols("consumer", &[]));

    let mut g = group(&[&["range", "roundrobin"], &["roundrobin", "sticky"]]);
    assert!(g.supports_protocols("consumer", &protocols(&["roundrobin"])));
    assert!(g.supports_protocols("consumer", &protocols(&["x", "roundrobin"])));
    assert!(!g.supports_protocols("consumer", &protocols(&["range", "sticky"])));
    assert!(!g.supports_protocols("connect", &protocols(&["roundrobin"])));
    assert!(!g.supports_protocols("consumer", &[]));
    // Without its second member, the first one's protocols are all common.
    g.remove(&"m1".into());
    assert!(g.supports_protocols("consumer", &protocols(&["range"])));
    check_group(&g);
}

#[test]
fn an_update_replaces_what_a_member_offers() {
    let mut g = group(&[&["range", "roundrobin"], &["range", "roundrobin"]]);
    g.set_protocols(&"m0".into(), protocols(&["sticky", "roundrobin"]));
    assert_eq!(g.select_protocol().as_deref(), Some("roundrobin"));
    check_group(&g);
}

#[test]
fn the_oldest_member_inherits_the_leadership() {
    let mut g = group(&[&["range"], &["range"], &["range"]]);
    for leader in ["m0", "m1", "m2"] {
        assert_eq!(g.leader().unwrap().as_str(), leader);
        g.remove(&leader.into());
        check_group(&g);
    }
    assert_eq!(g.leader(), None);
}

#[test]
fn the_leader_is_one_who_has_joined() {
    // (who has joined, who leads, or nobody)
    let cases: [(&[&str], Option<&str>); 4] = [
        (&[], None),
        (&["m0"], Some("m0")),
        (&["m2", "m1"], Some("m1")),
        (&["m2", "m0"], Some("m0")),
    ];
    for (joined, expected) in cases {
        let mut g = group(&[&["range"], &["range"], &["range"]]);
        for id in joined {
            g.members.get_mut(*id).unwrap().awaiting_join = Some(Token(1));
        }
        assert_eq!(g.elect_joined_leader(), expected.is_some());
        assert_eq!(g.leader().unwrap().as_str(), expected.unwrap_or("m0"));
    }
}

#[test]
fn the_rebalance_timeout_is_the_longest_of_the_members() {
    let mut g = group(&[&["range"], &["range"]]);
    g.members.get_mut("m1").unwrap().rebalance_timeout_ms = 90_000;
    assert_eq!(g.rebalance_timeout().as_millis(), 90_000);
    g.members.get_mut("m0").unwrap().rebalance_timeout_ms = -1;
    g.members.get_mut("m1").unwrap().rebalance_timeout_ms = -5;
    assert_eq!(g.rebalance_timeout().as_millis(), 0);
}

#[test]
fn a_member_that_waits_for_us_needs_no_heartbeat_unless_it_is_new() {
    let cases = [
        (false, None, None, false),
        (false, Some(Token(1)), None, true),
        (false, None, Some(Token(1)), true),
        (true, Some(Token(1)), None, false),
    ];
    for (is_new, awaiting_join, awaiting_sync, expected) in cases {
        let m = Member {
            is_new,
            awaiting_join,
            awaiting_sync,
            ..member("m", Vec::new())
        };
        assert_eq!(m.has_satisfied_heartbeat(), expected);
    }
}

#[test]
fn the_subscribed_topics_are_read_from_consumers_only() {
    let topics = |g: &ClassicGroup| {
        let topics = g.subscribed_topics()?;
        Some(topics.iter().map(|t| t.to_string()).collect::<Vec<_>>())
    };
    let offering = |metadata: &[u8]| {
        vec![MemberProtocol {
            name: "range".into(),
            metadata: Bytes::copy_from_slice(metadata),
        }]
    };
    let with = |kind: &str, metadata: &[&[u8]]| {
        let mut g = ClassicGroup::new(G.into(), NOW);
        g.transition_to(PreparingRebalance, NOW);
        for (i, bytes) in metadata.iter().enumerate() {
            g.add(member(&format!("m{i}"), offering(bytes)), kind.into());
        }
        g.protocol = g.select_protocol();
        g.update_subscribed_topics();
        g
    };
    let foo = subscription(&["foo"]);
    let both = subscription(&["bar", "foo"]);

    let g = with("consumer", &[&foo, &both]);
    assert_eq!(topics(&g), Some(vec!["bar".to_owned(), "foo".to_owned()]));
    assert!(g.is_subscribed_to("foo") && !g.is_subscribed_to("other"));

    // Later versions begin like the first.
    let mut newer = foo.to_vec();
    newer[1] = 9;
    newer.extend([1, 2, 3]);
    assert_eq!(
        topics(&with("consumer", &[&newer])),
        Some(vec!["foo".to_owned()])
    );

    // Not a subscription: everything may be subscribed.
    for bad in [
        &b""[..],
        &[0],
        &[0, 0, 0],
        &[0xff, 0xff, 0, 0, 0, 0],
        &foo[..9],
    ] {
        let g = with("consumer", &[&foo, bad]);
        assert_eq!(topics(&g), None, "{bad:?}");
        assert!(g.is_subscribed_to("anything"));
    }
    let g = with("connect", &[&foo]);
    assert_eq!(topics(&g), None);
    assert!(!g.is_subscribed_to("foo"));
}

#[test]
#[should_panic(expected = "cannot go from Empty to Stable")]
fn an_illegal_move_is_a_bug() {
    ClassicGroup::new(G.into(), NOW).transition_to(Stable, NOW);
}
