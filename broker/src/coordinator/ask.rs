//! The requests of a shard with the types of their answers.

use weir_coordinator::{
    Answer, CommittedTopic, DeleteGroups, DeletedGroup, DescribeGroups, DescribedGroup,
    FetchedOffsets, GroupError, Heartbeat, JoinGroup, JoinRefused, Joined, LeaveGroup, LeftMember,
    ListGroups, ListedGroup, OffsetCommit, OffsetDelete, OffsetDeleteAnswer, OffsetFetch, Request,
    SyncGroup, Synced,
};

/// A request that a shard answers with an `Answer` of its own kind.
pub trait Ask: Send {
    type Answer;

    fn into_request(self) -> Request;

    /// `None`: the answer to another kind of request.
    fn answer(answer: Answer) -> Option<Self::Answer>;
}

macro_rules! ask {
    ($($kind:ident => $answer:ty;)*) => {$(
        impl Ask for $kind {
            type Answer = $answer;

            fn into_request(self) -> Request {
                Request::$kind(self)
            }

            fn answer(answer: Answer) -> Option<$answer> {
                match answer {
                    Answer::$kind(answer) => Some(answer),
                    _ => None,
                }
            }
        }
    )*};
}

ask! {
    JoinGroup => Result<Joined, JoinRefused>;
    SyncGroup => Result<Synced, GroupError>;
    Heartbeat => Result<(), GroupError>;
    LeaveGroup => Result<Vec<LeftMember>, GroupError>;
    OffsetCommit => Vec<CommittedTopic>;
    OffsetFetch => FetchedOffsets;
    DescribeGroups => Vec<DescribedGroup>;
    ListGroups => Vec<ListedGroup>;
    DeleteGroups => Vec<DeletedGroup>;
    OffsetDelete => OffsetDeleteAnswer;
}
