//! DeleteGroups (key 42, v0–v2): removes empty groups with their offsets.

use std::collections::BTreeSet;

use crate::api::{Answer, Output, Token};
use crate::error::GroupError;
use crate::group::classic::state::GroupState;
use crate::ids::GroupId;
use crate::record;
use crate::shard::Shard;

#[derive(Clone, Debug)]
pub struct DeleteGroups {
    /// Those of the request that belong to this shard.
    pub groups: Vec<GroupId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedGroup {
    pub group: GroupId,
    pub error: Option<GroupError>,
}

impl Shard {
    pub(crate) fn delete_groups(&mut self, token: Token, request: DeleteGroups, out: &mut Output) {
        let mut deleted = BTreeSet::new();
        let mut results = Vec::new();
        for group in request.groups {
            let error = match self.groups.get(&group) {
                // Named twice: it is gone by now.
                _ if deleted.contains(&group) => Some(GroupError::GroupIdNotFound),
                None => Some(GroupError::GroupIdNotFound),
                Some(live) if !live.is_in(GroupState::Empty) => Some(GroupError::NonEmptyGroup),
                Some(_) => None,
            };
            if error.is_none() {
                deleted.insert(group.clone());
                self.write_offset_tombstones(&group, out);
                out.records.push(record::group_tombstone(&group));
            }
            results.push(DeletedGroup { group, error });
        }
        out.answers.push((token, Answer::DeleteGroups(results)));
    }

    fn write_offset_tombstones(&self, group: &GroupId, out: &mut Output) {
        for (topic, partitions) in self.stored.group_offsets(group).into_iter().flatten() {
            for partition in partitions.keys() {
                let tombstone = record::offset_tombstone(group, topic, *partition);
                out.records.push(tombstone);
            }
        }
    }
}
