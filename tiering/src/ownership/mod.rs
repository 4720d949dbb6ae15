//! Placement groups and their owners (design §6): the rules, as pure functions.
//!
//! Owns: which PG a partition is in, what a checkpoint record does to a PG, which PGs want an owner.
//! Does not own: the state itself (`metadata::image::ownership`), the pages' content.

pub mod assign;
pub mod checkpoint_record;
pub mod placement;
