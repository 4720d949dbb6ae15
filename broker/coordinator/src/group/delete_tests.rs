//! DeleteGroups.

use super::delete::DeleteGroups;
use crate::GroupError::{self, *};
use crate::api::{Answer, Request};
use crate::testing::*;

fn delete(t: &mut GroupTest, groups: &[&str]) -> Vec<Option<GroupError>> {
    let token = t.send(Request::DeleteGroups(DeleteGroups {
        groups: groups.iter().map(|g| (*g).into()).collect(),
    }));
    let Answer::DeleteGroups(deleted) = t.answer(token) else {
        panic!();
    };
    let named: Vec<_> = deleted.iter().map(|d| d.group.as_str()).collect();
    assert_eq!(named, groups);
    deleted.iter().map(|d| d.error).collect()
}

#[test]
fn empty_groups_are_deleted_with_their_offsets() {
    let mut t = GroupTest::new().topic("foo", 1, 4);
    t.commit(commit("simple", "foo", &[(0, 1), (1, 1)]));
    t.commit(commit("other", "foo", &[(0, 1)]));
    t.take_records();
    let errors = delete(&mut t, &["simple", "missing", "simple"]);
    assert_eq!(errors, [None, Some(GroupIdNotFound), Some(GroupIdNotFound)]);
    assert_eq!(t.take_records().len(), 3);
    assert_eq!(t.fetch_all("simple"), []);
    assert_eq!(t.fetch_all("other").len(), 1);
    // It can begin again.
    t.commit(commit("simple", "foo", &[(0, 5)]));
    assert_eq!(t.fetch_all("simple"), [("foo".to_owned(), 0, 5)]);
}

#[test]
fn a_group_with_members_stays() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join()]);
    assert_eq!(delete(&mut t, &[G]), [Some(NonEmptyGroup)]);
    t.join(join());
    assert_eq!(delete(&mut t, &[G]), [Some(NonEmptyGroup)]);
    t.sleep_ms(60_000);
    assert_eq!(t.member_count(G), 0, "{joined:?}");
    assert_eq!(delete(&mut t, &[G]), [None]);
    assert_eq!(t.heartbeat(&joined[0].member, 1), Err(UnknownMemberId));
}

#[test]
fn a_deleted_group_forgets_the_ids_it_gave_out() {
    let mut t = GroupTest::new();
    let token = t.join(join().version(4));
    let (_, id) = t.join_refused(token);
    assert_eq!(delete(&mut t, &[G]), [None]);
    let token = t.join(join().version(4).member(&id));
    assert_eq!(t.join_refused(token).0, UnknownMemberId);
    t.take_records();
    t.sleep_ms(10_000);
    t.expect_no_records();
}
