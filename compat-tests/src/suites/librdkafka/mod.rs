//! What applications do with librdkafka, against one fresh broker.
//!
//! Apache Kafka passes the same cases, where no comment says that Weir differs on purpose.

mod admin;
mod errors;
mod groups;
pub mod members;
mod produce;
mod reads;

use crate::harness::suite::{self, Case, SuiteArgs};

/// Runs the suite and ends the process.
pub fn main(args: &SuiteArgs) -> ! {
    let lists: [&[Case]; 5] = [
        produce::CASES,
        reads::CASES,
        groups::CASES,
        errors::CASES,
        admin::CASES,
    ];
    suite::main("librdkafka", args, &lists.concat())
}
