//! From the first join to the next generation: delays, absentees, leaders, deadlines.

use super::state::GroupState::*;
use crate::GroupError::*;
use crate::ids::MemberId;
use crate::record::GroupRecord;
use crate::stored::StoredGroup;
use crate::testing::*;

/// The record of a group that its last member has left.
fn emptied(t: &GroupTest, generation: i32) -> GroupRecord {
    let value = StoredGroup {
        generation,
        protocol_type: Some("consumer".into()),
        state_since_ms: Some(t.now.wall_ms),
        ..StoredGroup::default()
    };
    GroupRecord::Group {
        group: G.into(),
        value: Some(value),
    }
}

#[test]
fn without_a_delay_the_first_rebalance_ends_at_the_next_timer_call() {
    let mut t = GroupTest::with(|c| c.initial_rebalance_delay = std::time::Duration::ZERO);
    let token = t.join(join());
    assert_eq!(t.shard.next_deadline(), Some(t.now.boot));
    t.sleep_ms(0);
    assert_eq!(t.joined(token).generation, 1);
}

#[test]
fn the_initial_delay_starts_again_while_members_arrive() {
    let mut t = GroupTest::new();
    let first = t.join(join().rebalance_ms(9000));
    t.sleep_ms(2999);
    let second = t.join(join().rebalance_ms(9000));
    t.sleep_ms(2999);
    assert!(t.is_parked(first) && t.is_parked(second));
    t.sleep_ms(2);
    assert_eq!(t.joined(first).members.len(), 2);
    assert_eq!(t.joined(second).generation, 1);
}

#[test]
fn the_initial_delay_ends_at_the_rebalance_timeout() {
    let mut t = GroupTest::new();
    let mut tokens = Vec::new();
    // 3 s and two extensions make the 8 s that the first member allows; the last one is short.
    for wait in [2000, 3000, 2000, 999] {
        tokens.push(t.join(join().rebalance_ms(8000)));
        t.sleep_ms(wait);
    }
    assert!(tokens.iter().all(|token| t.is_parked(*token)));
    t.sleep_ms(1);
    assert!(tokens.iter().all(|token| t.joined(*token).generation == 1));
}

#[test]
fn a_rebalance_timeout_below_the_delay_does_not_shorten_it() {
    let mut t = GroupTest::new();
    let token = t.join(join().rebalance_ms(1000));
    let other = t.join(join().rebalance_ms(1000));
    t.sleep_ms(2999);
    assert!(t.is_parked(token));
    t.sleep_ms(1);
    assert_eq!(t.joined(token).generation, 1);
    assert_eq!(t.joined(other).generation, 1);
}

#[test]
fn a_first_rebalance_that_everybody_leaves_ends_empty() {
    let mut t = GroupTest::new();
    let token = t.join(join());
    t.take_records();
    let id = t.group(G).members().next().unwrap().id.clone();
    assert_eq!(t.leave_errors(&[(id.as_str(), None)]), [None]);
    assert_eq!(t.join_refused(token), (UnknownMemberId, "".into()));
    assert_eq!(t.state(G), PreparingRebalance);
    t.sleep_ms(3000);
    assert_eq!(t.state(G), Empty);
    assert_eq!(t.take_records(), [emptied(&t, 1)]);
}

#[test]
fn each_rebalance_is_a_generation() {
    let mut t = GroupTest::new();
    let mut id = t.stabilize(vec![join()])[0].member.clone();
    for generation in 2..5 {
        let token = t.join(join().member(&id));
        let joined = t.joined(token);
        assert_eq!(joined.generation, generation);
        t.sync(&joined);
        id = joined.member;
    }
}

#[test]
fn absent_dynamic_members_are_dropped_when_the_rebalance_times_out() {
    let mut t = GroupTest::new();
    let old = t.stabilize(vec![join().session_ms(60_000)])[0]
        .member
        .clone();
    let token = t.join(join());
    assert_eq!(t.state(G), PreparingRebalance);
    t.sleep_ms(9_999);
    assert!(t.is_parked(token));
    t.sleep_ms(1);
    let joined = t.joined(token);
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
    assert_eq!(joined.leader, joined.member);
    assert_eq!(t.heartbeat(&old, 1), Err(UnknownMemberId));
}

#[test]
fn an_absent_static_member_stays() {
    let mut t = GroupTest::new();
    let requests = ["a", "b"].map(|i| join().instance(i).session_ms(60_000));
    let joined = t.stabilize(requests.to_vec());
    let [a, b] = &joined[..] else { panic!() };
    // The follower starts a rebalance and the leader never comes.
    let request = join().instance("b").member(&b.member).session_ms(60_000);
    let token = t.join(request.offering(&["range", "x"]));
    t.sleep_ms(10_000);
    let rejoined = t.joined(token);
    assert_eq!(rejoined.leader, b.member, "somebody who is there leads");
    let ids: Vec<&MemberId> = rejoined.members.iter().map(|m| &m.member).collect();
    assert_eq!(ids, [&a.member, &b.member]);
    assert_eq!(rejoined.members[0].instance.as_ref().unwrap().as_str(), "a");
    // It may still sync late in the new generation.
    t.sync(&rejoined);
    let late = crate::Joined {
        member: a.member.clone(),
        members: Vec::new(),
        ..rejoined.clone()
    };
    let token = t.sync(&late);
    assert_eq!(
        t.synced(token).unwrap().assignment,
        format!("assignment of {}", a.member)
    );
}

#[test]
fn a_leader_that_rejoined_is_kept() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join(), join()]);
    let tokens: Vec<_> = [2, 0, 1]
        .map(|i| t.join(join().member(&joined[i].member).offering(&["range", "x"])))
        .to_vec();
    for token in tokens {
        assert_eq!(t.joined(token).leader, joined[0].member);
    }
}

#[test]
fn the_join_phase_is_repeated_while_no_static_member_comes_back() {
    let mut t = GroupTest::new();
    let requests = ["a", "b", "c"].map(|i| join().instance(i).session_ms(60_000));
    let joined = t.stabilize(requests.to_vec());
    assert_eq!(t.leave_errors(&[("", Some("c"))]), [None]);
    assert_eq!(t.state(G), PreparingRebalance);
    t.sleep_ms(25_000);
    assert_eq!(t.state(G), PreparingRebalance);
    assert_eq!((t.member_count(G), t.group(G).generation), (2, 1));

    let tokens = [("a", 0), ("b", 1)].map(|(i, n)| {
        t.join(
            join()
                .instance(i)
                .member(&joined[n].member)
                .session_ms(60_000),
        )
    });
    for token in tokens {
        assert_eq!(t.joined(token).generation, 2);
    }
}

#[test]
fn repeating_the_join_phase_is_no_busy_loop_even_without_a_rebalance_timeout() {
    let mut t = GroupTest::new();
    let request = |i| join().instance(i).session_ms(60_000);
    let joined = t.stabilize(vec![request("a"), request("b")]);
    let tokens = [("a", 0), ("b", 1)]
        .map(|(i, n)| t.join(request(i).member(&joined[n].member).rebalance_ms(0)));
    for token in tokens {
        let rejoined = t.joined(token);
        t.sync(&rejoined);
    }
    t.leave_errors(&[("", Some("b"))]);
    let mut calls = 0;
    let end = t.now.boot + std::time::Duration::from_secs(1);
    while let Some(at) = t.shard.next_deadline().filter(|at| *at <= end) {
        t.now.boot = t.now.boot.max(at);
        let out = t.shard.on_timer(t.now);
        t.absorb(out);
        calls += 1;
        assert!(calls <= 20, "the timer keeps coming back at once");
    }
    assert_eq!(t.state(G), PreparingRebalance);
    // The session ends it.
    t.sleep_ms(60_000);
    assert_eq!(t.state(G), Empty);
}

#[test]
fn a_pending_member_holds_a_rebalance_up_until_it_joins_leaves_or_times_out() {
    for how in ["joins", "leaves", "times out"] {
        let mut t = GroupTest::new();
        let leader = t.stabilize(vec![join().session_ms(60_000).rebalance_ms(60_000)])[0]
            .member
            .clone();
        let token = t.join(join().version(4));
        let (_, pending) = t.join_refused(token);
        assert_eq!(t.state(G), Stable, "an id alone disturbs nobody");
        let rejoin = join()
            .member(&leader)
            .session_ms(60_000)
            .rebalance_ms(60_000);
        let token = t.join(rejoin);
        assert!(t.is_parked(token), "{how}");
        match how {
            "joins" => {
                let joined = t.join(join().version(4).member(&pending));
                assert_eq!(t.joined(joined).generation, 2);
            }
            "leaves" => {
                assert_eq!(t.leave_errors(&[(pending.as_str(), None)]), [None]);
            }
            _ => t.sleep_ms(5000),
        }
        let expected = if how == "joins" { 2 } else { 1 };
        assert_eq!(t.joined(token).members.len(), expected, "{how}");
    }
}

#[test]
fn a_pending_member_that_times_out_is_forgotten() {
    let mut t = GroupTest::new();
    let token = t.join(join().version(4).session_ms(1000));
    let (_, id) = t.join_refused(token);
    t.sleep_ms(999);
    assert_eq!(t.group(G).pending.len(), 1);
    t.sleep_ms(1);
    assert!(t.group(G).pending.is_empty());
    let token = t.join(join().version(4).member(&id));
    assert_eq!(t.join_refused(token).0, UnknownMemberId);
}

#[test]
fn a_new_member_waits_five_minutes_at_most() {
    let mut t = GroupTest::new();
    let patient = || join().session_ms(305_000).rebalance_ms(600_000);
    let first = t.stabilize(vec![patient()])[0].member.clone();
    let token = t.join(join());
    t.sleep_ms(299_999);
    assert!(t.is_parked(token), "its session timeout does not count yet");
    t.sleep_ms(1);
    assert_eq!(t.join_refused(token), (UnknownMemberId, "".into()));
    let left: Vec<_> = t.group(G).members().map(|m| m.id.clone()).collect();
    assert_eq!(left, [first]);
}

#[test]
fn after_its_first_generation_a_member_lives_by_its_session() {
    let mut t = GroupTest::new();
    t.stabilize(vec![join().session_ms(305_000)]);
    t.take_records();
    t.sleep_ms(304_999);
    assert_eq!(t.member_count(G), 1);
    t.sleep_ms(1);
    assert_eq!((t.member_count(G), t.state(G)), (0, Empty));
    assert_eq!(t.take_records(), [emptied(&t, 2)]);
}

#[test]
fn the_members_of_a_dead_broker_time_out_one_by_one() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join().session_ms(8000), join().session_ms(5000)]);
    t.sleep_ms(5000);
    assert_eq!((t.state(G), t.member_count(G)), (PreparingRebalance, 1));
    assert_eq!(t.heartbeat(&joined[1].member, 1), Err(UnknownMemberId));
    t.sleep_ms(8000);
    assert_eq!(t.state(G), Empty);
    assert_eq!(t.group(G).generation, 2);
}

#[test]
fn a_member_that_waits_for_us_is_not_timed_out() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join().session_ms(60_000).rebalance_ms(30_000)]);
    let token = t.join(join().member(&joined[0].member).rebalance_ms(30_000));
    // Six sessions long.
    t.sleep_ms(29_000);
    assert!(t.is_parked(token));
    let other = t.join(join().member(&joined[1].member));
    let rejoined = t.joined(token);
    assert_eq!(t.joined(other).generation, 2);

    // Also while it waits for the assignment; then its session starts afresh.
    let follower = t.joined(other);
    let waiting = t.sync(&follower);
    for _ in 0..3 {
        t.sleep_ms(4000);
        let heartbeat = t.heartbeat(&rejoined.member, 2);
        assert_eq!((heartbeat, t.is_parked(waiting)), (Ok(()), true));
    }
    t.sync(&rejoined);
    assert!(t.synced(waiting).is_ok());
    t.sleep_ms(4999);
    assert_eq!(t.heartbeat(&follower.member, 2), Ok(()));
}

#[test]
fn a_session_that_ends_while_others_are_awaited_can_complete_the_join() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    let token = t.join(join().member(&joined[0].member));
    t.sleep_ms(4999);
    assert!(t.is_parked(token));
    t.sleep_ms(1);
    assert_eq!(t.joined(token).members.len(), 1);
}

#[test]
fn a_rejoin_lowers_or_raises_the_timeouts() {
    let mut t = GroupTest::new();
    let id = t.stabilize(vec![join().session_ms(5000)])[0].member.clone();
    let token = t.join(join().member(&id).session_ms(9000).rebalance_ms(77));
    let rejoined = t.joined(token);
    t.sync(&rejoined);
    t.sleep_ms(8999);
    assert_eq!(t.heartbeat(&id, 2), Ok(()));
    assert_eq!(t.group(G).rebalance_timeout().as_millis(), 77);
    t.sleep_ms(9000);
    assert_eq!(t.state(G), Empty);
}
