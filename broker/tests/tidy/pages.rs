//! docs/generated says what the declarations say.

use std::fs;

use crate::{expect_none, root};

#[test]
fn generated_pages_are_current() {
    let directory = root().join("docs/generated");
    let findings: Vec<String> = weir::docs::pages()
        .into_iter()
        .filter(|(name, text)| fs::read_to_string(directory.join(name)).ok().as_ref() != Some(text))
        .map(|(name, _)| format!("docs/generated/{name}"))
        .collect();
    expect_none(
        "stale; run `cargo run -p weir -- docs docs/generated`",
        &findings,
    );
}

#[test]
fn every_key_and_metric_stands_on_its_page() {
    let pages = weir::docs::pages();
    let page = |wanted: &str| &pages.iter().find(|(name, _)| *name == wanted).unwrap().1;
    for key in weir::config::all_keys() {
        let covered = ["ssl.", "sasl.", "authorizer."]
            .iter()
            .any(|prefix| key.name.starts_with(prefix));
        let shown = page("configs.md").contains(&format!("`{}`", key.name));
        assert!(covered || shown, "{}", key.name);
    }
    for metric in weir::telemetry::metrics::ALL {
        assert!(page("metrics.md").contains(metric.name), "{}", metric.name);
    }
}
