use super::state::GroupState::*;
use crate::testing::*;

#[test]
fn a_group_becomes_stable_with_the_assignment_of_its_leader() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    let [leader, follower] = &joined[..] else {
        panic!()
    };
    t.take_records();
    let waiting = t.sync(follower);
    assert!(t.is_parked(waiting));
    t.expect_no_records();
    let token = t.sync(leader);
    assert_eq!(t.state(G), Stable);
    assert_eq!(t.take_records().len(), 1);
    for (member, token) in [(leader, token), (follower, waiting)] {
        let synced = t.synced(token).unwrap();
        assert_eq!(
            synced.assignment,
            format!("assignment of {}", member.member)
        );
        assert_eq!(synced.protocol.as_deref(), Some("range"));
    }
}
