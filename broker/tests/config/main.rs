//! Configuration through its public door: layers in, a `BrokerConfig` or errors out.
//!
//! Canaries: `facts::a_wrong_declaration_would_be_noticed`, and every table of bad inputs.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod broker;
mod classes;
mod describe;
mod facts;
mod layers;
mod listeners;
mod topics;

use weir::config::{BrokerConfig, ConfigErrors, File, Layers, Machine};

/// A machine with 2 GiB.
fn machine() -> Machine {
    Machine {
        host_name: "box.example".to_owned(),
        memory_bytes: Some(2 << 30),
    }
}

/// A configuration from the text of a file named `f.properties`.
fn from_file(text: &str) -> Result<BrokerConfig, ConfigErrors> {
    load(&Layers {
        file: Some(file(text)),
        ..Layers::default()
    })
}

fn file(text: &str) -> File {
    File {
        path: "f.properties".into(),
        text: text.to_owned(),
    }
}

fn load(layers: &Layers) -> Result<BrokerConfig, ConfigErrors> {
    BrokerConfig::load(layers, &machine())
}

/// The errors of a file, a line each.
fn errors_of(text: &str) -> String {
    from_file(text).map(|_| ()).unwrap_err().to_string()
}
