//! Pure coordinators.
