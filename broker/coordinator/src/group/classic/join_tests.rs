use super::state::GroupState::*;
use crate::GroupError::*;
use crate::ids::MemberId;
use crate::record::GroupRecord;
use crate::stored::StoredGroup;
use crate::testing::*;

#[test]
fn the_first_join_of_a_group_is_written_and_parked_until_the_delay_ends() {
    let mut t = GroupTest::new();
    let token = t.join(join());
    let since = t.now.wall_ms;
    assert_eq!(
        t.take_records(),
        [GroupRecord::Group {
            group: G.into(),
            value: Some(StoredGroup {
                state_since_ms: Some(since),
                ..StoredGroup::default()
            }),
        }]
    );
    t.sleep_ms(2999);
    assert!(t.is_parked(token));
    t.sleep_ms(1);

    let joined = t.joined(token);
    assert_eq!(joined.generation, 1);
    assert_eq!(joined.leader, joined.member);
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert!(!joined.skip_assignment);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, subscription(&["foo", "bar"]));
    assert_eq!(t.state(G), CompletingRebalance);
    t.expect_no_records();
}
