use crate::testing::*;

#[test]
fn a_commit_without_a_group_makes_a_simple_group() {
    let mut t = GroupTest::new().topic("foo", 1, 4);
    assert_eq!(
        t.commit(commit("simple", "foo", &[(0, 10), (3, 13)])),
        [None, None]
    );
    assert_eq!(t.fetch_one("simple", "foo", 0), 10);
    assert_eq!(t.fetch_one("simple", "foo", 1), -1);
    assert_eq!(
        t.fetch_all("simple"),
        [("foo".to_owned(), 0, 10), ("foo".to_owned(), 3, 13)]
    );
    t.fail_over();
    assert_eq!(t.fetch_one("simple", "foo", 3), 13);
}
