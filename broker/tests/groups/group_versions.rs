//! Every version of the APIs of membership: what is where in the answers, and which errors.

use weir_protocol::{
    messages::{
        DeleteGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
        LeaveGroupRequest, ListGroupsRequest, SyncGroupRequest,
    },
    str::Str,
};

use crate::{
    broker::{Broker, Store},
    client::Client,
    group_calls::{heartbeat, join, leave, str, subscription, sync},
};

const NO_DELAY: &str = "group.initial.rebalance.delay.ms=0";

fn start(store: &Store) -> (Broker, Client) {
    let broker = store.start(&[NO_DELAY]);
    let mut client = broker.connect();
    client.coordinator();
    (broker, client)
}

#[test]
fn find_coordinator_v0_to_v6() {
    let store = Store::new();
    let broker = store.start(&[]);
    let mut client = broker.connect();
    for version in 0..=6 {
        for (key_type, code, key) in [
            (0, 0, "g"),
            (0, 0, ""),
            (1, 53, "t"),
            (2, 42, "s"),
            (9, 42, "?"),
        ] {
            if version == 0 && key_type != 0 {
                continue;
            }
            let keys = vec![str(key), str("other")];
            let found = client.call(
                version,
                &FindCoordinatorRequest {
                    key: str(key),
                    key_type,
                    coordinator_keys: keys.clone(),
                    ..Default::default()
                },
            );
            let context = format!("v{version}, type {key_type}: {found:?}");
            let found: Vec<(i16, Option<Str>, i32, Str, i32)> = if version < 4 {
                vec![(
                    found.error_code,
                    found.error_message,
                    found.node_id,
                    found.host,
                    found.port,
                )]
            } else {
                let asked: Vec<Str> = found.coordinators.iter().map(|c| c.key.clone()).collect();
                assert_eq!(asked, keys, "{context}");
                let of = found.coordinators.into_iter();
                of.map(|c| (c.error_code, c.error_message, c.node_id, c.host, c.port))
                    .collect()
            };
            for (error, message, node, host, port) in found {
                assert_eq!(error, code, "{context}");
                if code == 0 {
                    let port_of_broker = i32::from(broker.address.port());
                    assert_eq!(
                        (node, &*host, port),
                        (1, "127.0.0.1", port_of_broker),
                        "{context}"
                    );
                } else {
                    assert_eq!((node, &*host, port), (-1, "", -1), "{context}");
                    let says_why = message.is_some_and(|m| m.len() > 10);
                    assert!(says_why || version == 0, "{context}");
                }
            }
        }
    }
}

#[test]
fn join_group_v0_to_v9() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    for version in 0..=9 {
        let group = format!("join-{version}");
        let mut request = join(&group, "");
        let first = client.call(version, &request);
        let joined = if version >= 4 {
            assert_eq!(
                (first.error_code, first.generation_id),
                (79, -1),
                "v{version}"
            );
            assert!(
                first.member_id.starts_with("wire-"),
                "v{version}: {first:?}"
            );
            request.member_id = first.member_id.clone();
            client.call(version, &request)
        } else {
            first
        };
        assert_eq!(
            (joined.error_code, joined.generation_id),
            (0, 1),
            "v{version}"
        );
        assert_eq!(joined.leader, joined.member_id, "v{version}");
        assert_eq!(joined.protocol_name, Some(str("range")), "v{version}");
        let protocol_type = (version >= 7).then(|| str("consumer"));
        assert_eq!(joined.protocol_type, protocol_type, "v{version}");
        assert!(!joined.skip_assignment, "v{version}");
        assert_eq!(joined.members.len(), 1, "v{version}");
        assert_eq!(joined.members[0].member_id, joined.member_id, "v{version}");
        assert_eq!(
            joined.members[0].metadata,
            subscription(&["orders"]),
            "v{version}"
        );
    }
}

#[test]
fn refused_joins_v0_to_v9() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    for version in 0..=9 {
        let group = format!("join-{version}");
        client.join_alone(version, &join(&group, ""));
        type Change = fn(&mut JoinGroupRequest);
        let refusals: [(Change, i16); 5] = [
            (|r| r.group_id = str(""), 24),
            (|r| r.session_timeout_ms = 1, 26),
            (|r| r.member_id = str("nobody"), 25),
            (|r| r.protocol_type = str("connect"), 23),
            (|r| r.protocols.clear(), 23),
        ];
        for (change, code) in refusals {
            let mut request = join(&group, "");
            change(&mut request);
            let refused = client.call(version, &request);
            assert_eq!(
                (refused.error_code, refused.generation_id),
                (code, -1),
                "v{version}"
            );
            assert_eq!(
                (&*refused.leader, refused.members.len()),
                ("", 0),
                "v{version}"
            );
            assert_eq!(
                refused.protocol_name,
                (version < 7).then(|| str("")),
                "v{version}"
            );
        }
    }
}

#[test]
fn v0_has_no_rebalance_timeout_and_takes_the_session_timeout() {
    let store = Store::new();
    let (broker, mut client) = start(&store);
    // The second member comes and the first stays away: the join ends after the first one's
    // rebalance timeout, its session timeout, although its heartbeats go on.
    let mut request = join("old", "");
    request.session_timeout_ms = 6000;
    let first = client.join_alone(0, &request);
    let synced = client.call(0, &sync("old", &first, &[(&first.member_id, b"all")]));
    assert_eq!(synced.error_code, 0);
    let mut second = broker.connect();
    second.send(0, &request);
    let beat = heartbeat("old", &first.member_id, 1);
    let mut beats = 0;
    while !second.has_answer() {
        let code = client.call(0, &beat).error_code;
        assert!([0, 25, 27].contains(&code), "{code}");
        beats += 1;
        assert!(beats < 100, "the join does not end");
    }
    let joined = second.receive::<JoinGroupRequest>(0);
    assert_eq!((joined.error_code, joined.generation_id), (0, 2));
    assert_eq!(
        joined.members.len(),
        1,
        "the member that stayed away is gone"
    );
    assert_eq!(client.call(0, &beat).error_code, 25);
}

#[test]
fn sync_group_v0_to_v5() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    for version in 0..=5 {
        let group = format!("sync-{version}");
        let joined = client.join_alone(version, &join(&group, ""));
        let member = joined.member_id.to_string();
        let request = sync(&group, &joined, &[(&member, b"mine"), ("nobody", b"x")]);
        type Change = fn(&mut SyncGroupRequest);
        let mut refusals: Vec<(Change, i16)> = vec![
            (|r| r.group_id = str(""), 24),
            (|r| r.group_id = str("no such group"), 25),
            (|r| r.member_id = str("nobody"), 25),
            (|r| r.generation_id = 7, 22),
        ];
        if version >= 5 {
            refusals.push((|r| r.protocol_type = None, 23));
            refusals.push((|r| r.protocol_name = None, 23));
            refusals.push((|r| r.protocol_name = Some(str("sticky")), 23));
        }
        for (change, code) in refusals {
            let mut request = request.clone();
            change(&mut request);
            let refused = client.call(version, &request);
            assert_eq!(
                (refused.error_code, refused.assignment.len()),
                (code, 0),
                "v{version}"
            );
        }
        let synced = client.call(version, &request);
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"mine"[..]),
            "v{version}"
        );
        let since_v5 = |text: &str| (version >= 5).then(|| str(text));
        assert_eq!(synced.protocol_type, since_v5("consumer"), "v{version}");
        assert_eq!(synced.protocol_name, since_v5("range"), "v{version}");
        // Asked again, it says the same.
        let again = client.call(version, &sync(&group, &joined, &[]));
        assert_eq!(&again.assignment[..], b"mine", "v{version}");
    }
}

#[test]
fn heartbeat_v0_to_v4() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    let (member, generation) = client.stable_group("beat", b"a");
    for version in 0..=4 {
        let mut beat = |request: &HeartbeatRequest| client.call(version, request).error_code;
        let good = heartbeat("beat", &member, generation);
        assert_eq!(beat(&good), 0, "v{version}");
        assert_eq!(
            beat(&heartbeat("beat", &member, generation + 1)),
            22,
            "v{version}"
        );
        assert_eq!(
            beat(&heartbeat("beat", "nobody", generation)),
            25,
            "v{version}"
        );
        assert_eq!(
            beat(&heartbeat("none", &member, generation)),
            25,
            "v{version}"
        );
        assert_eq!(beat(&heartbeat("", &member, generation)), 24, "v{version}");
        if version >= 3 {
            let mut fenced = good.clone();
            fenced.group_instance_id = Some(str("unknown instance"));
            assert_eq!(beat(&fenced), 25, "v{version}");
        }
    }
}

#[test]
fn leave_group_v0_to_v5() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    for version in 0..=5 {
        let group = format!("leave-{version}");
        let (member, _) = client.stable_group(&group, b"a");
        // (error of the answer, errors of its members)
        let mut leave = |request: &LeaveGroupRequest| {
            let answer = client.call(version, request);
            let members = answer.members.iter();
            let members: Vec<_> = members
                .map(|m| (m.member_id.to_string(), m.error_code))
                .collect();
            (answer.error_code, members)
        };
        let place = |name: &str, code: i16| match version {
            0..3 => (code, vec![]),
            _ => (0, vec![(name.to_owned(), code)]),
        };
        assert_eq!(
            leave(&crate::group_calls::leave(&group, "nobody")),
            place("nobody", 25)
        );
        assert_eq!(
            leave(&crate::group_calls::leave("none", &member)),
            place(&member, 25)
        );
        assert_eq!(leave(&crate::group_calls::leave("", &member)), (24, vec![]));
        assert_eq!(
            leave(&crate::group_calls::leave(&group, &member)),
            place(&member, 0)
        );
        assert_eq!(
            leave(&crate::group_calls::leave(&group, &member)),
            place(&member, 25)
        );
        assert_eq!(
            &*client.describe(0, &group).group_state,
            "Empty",
            "v{version}"
        );
    }
}

#[test]
fn a_batch_of_leaves_removes_static_members_by_their_instance() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    let mut request = join("statics", "");
    request.group_instance_id = Some(str("one"));
    let joined = client.join_alone(5, &request);
    let member = joined.member_id.to_string();
    assert!(member.starts_with("one-"), "{member}");
    let mut batch = leave("statics", "nobody");
    let mut by_instance = batch.members[0].clone();
    (by_instance.member_id, by_instance.group_instance_id) = (str(""), Some(str("one")));
    batch.members.push(by_instance);
    let left = client.call(3, &batch);
    let errors: Vec<_> = left
        .members
        .iter()
        .map(|m| (&*m.member_id, m.error_code))
        .collect();
    assert_eq!(
        (left.error_code, errors),
        (0, vec![("nobody", 25), ("", 0)])
    );
    assert_eq!(left.members[1].group_instance_id, Some(str("one")));
}

#[test]
fn describe_groups_v0_to_v6() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    let (member, _) = client.stable_group("shown", b"part");
    for version in 0..=6 {
        let group = client.describe(version, "shown");
        assert_eq!(
            (group.error_code, &*group.group_id),
            (0, "shown"),
            "v{version}"
        );
        assert_eq!(
            (&*group.group_state, &*group.protocol_type),
            ("Stable", "consumer")
        );
        assert_eq!(&*group.protocol_data, "range", "v{version}");
        let shown = &group.members[0];
        assert_eq!(
            (&*shown.member_id, &*shown.client_id),
            (member.as_str(), "wire")
        );
        assert_eq!(&*shown.client_host, "/127.0.0.1", "v{version}");
        assert_eq!(
            shown.member_metadata,
            subscription(&["orders"]),
            "v{version}"
        );
        assert_eq!(&shown.member_assignment[..], b"part", "v{version}");
        // Read, Delete, Describe, DescribeConfigs, AlterConfigs.
        let operations = if version >= 3 {
            0b1101_0100_1000
        } else {
            i32::MIN
        };
        assert_eq!(group.authorized_operations, operations, "v{version}");

        let missing = client.describe(version, "missing");
        assert_eq!(
            (&*missing.group_id, &*missing.group_state),
            ("missing", "Dead")
        );
        let error = if version >= 6 { 69 } else { 0 };
        assert_eq!(missing.error_code, error, "v{version}");
        let message = missing.error_message.as_deref();
        assert_eq!(
            message,
            (version >= 6).then_some("Group missing not found.")
        );
    }
    // Between join and sync nobody knows an assignment.
    client.join_alone(5, &join("halfway", ""));
    let group = client.describe(5, "halfway");
    assert_eq!(
        (&*group.group_state, &*group.protocol_data),
        ("CompletingRebalance", "")
    );
    assert!(group.members[0].member_metadata.is_empty());
}

#[test]
fn list_groups_v0_to_v5() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    client.stable_group("b", b"");
    client.join_alone(5, &join("a", ""));
    let list = |client: &mut Client, version, states: &[&str], types: &[&str]| {
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|s| str(s)).collect(),
            types_filter: types.iter().map(|t| str(t)).collect(),
            ..Default::default()
        };
        let answer = client.call(version, &request);
        assert_eq!(answer.error_code, 0, "v{version}");
        let mut groups: Vec<_> = answer
            .groups
            .iter()
            .map(|g| {
                [&g.group_id, &g.protocol_type, &g.group_state, &g.group_type].map(Str::to_string)
            })
            .collect();
        groups.sort();
        groups
    };
    for version in 0..=5 {
        let state = |name: &'static str| if version >= 4 { name } else { "" };
        let kind = if version >= 5 { "classic" } else { "" };
        let all = list(&mut client, version, &[], &[]);
        let a = ["a", "consumer", state("CompletingRebalance"), kind];
        let b = ["b", "consumer", state("Stable"), kind];
        assert_eq!(all, [a, b], "v{version}");
    }
    let names = |groups: Vec<[String; 4]>| -> Vec<String> {
        groups.into_iter().map(|[name, ..]| name).collect()
    };
    let listed = |client: &mut Client, states: &[&str], types: &[&str]| {
        names(list(client, 5, states, types))
    };
    assert_eq!(listed(&mut client, &["stable"], &[]), ["b"]);
    assert_eq!(listed(&mut client, &["Empty"], &[]), [""; 0]);
    assert_eq!(listed(&mut client, &[], &["Classic"]), ["a", "b"]);
    assert_eq!(listed(&mut client, &[], &["consumer"]), [""; 0]);
}

#[test]
fn delete_groups_v0_to_v2() {
    let store = Store::new();
    let (_broker, mut client) = start(&store);
    for version in 0..=2 {
        let group = format!("delete-{version}");
        let (member, _) = client.stable_group(&group, b"a");
        let request = DeleteGroupsRequest {
            groups_names: vec![str(&group), str("missing")],
            ..Default::default()
        };
        let mut delete = || {
            let answer = client.call(version, &request);
            let results = answer.results.iter();
            results
                .map(|r| (r.group_id.to_string(), r.error_code))
                .collect::<Vec<_>>()
        };
        let missing = ("missing".to_owned(), 69);
        assert_eq!(
            delete(),
            [(group.clone(), 68), missing.clone()],
            "v{version}"
        );
        client.call(0, &leave(&group, &member));
        let mut delete = || {
            let answer = client.call(version, &request);
            answer
                .results
                .iter()
                .map(|r| r.error_code)
                .collect::<Vec<_>>()
        };
        assert_eq!(delete(), [0, 69], "v{version}");
        assert_eq!(delete(), [69, 69], "v{version}");
        assert_eq!(client.describe(6, &group).error_code, 69, "v{version}");
    }
}
