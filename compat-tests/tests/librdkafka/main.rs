//! What applications do with librdkafka, against one fresh broker.
//!
//! `cargo test -p weir-compat-tests --test librdkafka -- [FILTER] [--broker weir|kafka|HOST:PORT]`.
//! Apache Kafka passes the same cases, where no comment says that Weir differs on purpose.

mod admin;
mod errors;
mod groups;
mod members;
mod produce;
mod reads;

use weir_compat_tests::harness::suite::{self, Case};

fn main() {
    members::run_if_child();
    let lists: [&[Case]; 5] = [
        produce::CASES,
        reads::CASES,
        groups::CASES,
        errors::CASES,
        admin::CASES,
    ];
    suite::main("librdkafka", &lists.concat());
}
