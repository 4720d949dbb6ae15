//! Which PGs want an owner.

use crate::{
    ids::{Incarnation, PgId},
    metadata::image::{
        Image,
        ownership::{AssignPgs, Assignment},
    },
    ownership::placement::DEFAULT_PG_COUNT,
};

/// Every PG below the default count, or known, that has no owner, sorted.
pub fn unowned(image: &Image) -> Vec<PgId> {
    let count = image.ownership.pg_end().0.max(DEFAULT_PG_COUNT);
    (0..count)
        .map(PgId)
        .filter(|pg| image.ownership.owner(*pg).is_none())
        .collect()
}

/// All unowned PGs to one owner; `None` when there are none. For a cluster of one broker.
pub fn all_to(image: &Image, owner: Incarnation) -> Option<AssignPgs> {
    let assignments: Vec<Assignment> = unowned(image)
        .into_iter()
        .map(|pg| Assignment { pg, owner })
        .collect();
    (!assignments.is_empty()).then_some(AssignPgs { assignments })
}

/// What `incarnation` owns, sorted, each to go to `owner` when `incarnation` is sealed.
pub fn inherit(image: &Image, incarnation: Incarnation, owner: Incarnation) -> Vec<Assignment> {
    image
        .ownership
        .owned_by(incarnation)
        .map(|(pg, _)| Assignment { pg, owner })
        .collect()
}
