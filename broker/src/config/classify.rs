//! What to tell about keys that are set but have no effect.

use super::{
    key::{Class, Reason},
    keys,
    layers::Settings,
    listeners::Listeners,
};

/// Lines for the log at start, each a WARN: one that lists keys without an effect, one that lists
/// keys whose effect is missed (space that is not freed).
pub fn warnings(settings: &Settings, listeners: &Listeners) -> Vec<String> {
    let (mut no_effect, mut frees_no_space) = (Vec::new(), Vec::new());
    for (name, _) in settings.all_explicit() {
        match keys::find(name).map(|key| key.class) {
            Some(Class::Accepted(Reason::FreesNoSpace)) => frees_no_space.push(name.to_owned()),
            Some(Class::Accepted(_)) => no_effect.push(name.to_owned()),
            _ => {}
        }
    }
    let not_bound = &listeners.not_bound;
    no_effect.extend(
        not_bound
            .iter()
            .map(|name| format!("listener {name} (not bound)")),
    );
    let mut warnings = Vec::new();
    if !no_effect.is_empty() {
        warnings.push(format!(
            "set but without an effect here: {}",
            no_effect.join(", ")
        ));
    }
    if !frees_no_space.is_empty() {
        warnings.push(format!(
            "retention and compaction are shown but free no space in this version: {}",
            frees_no_space.join(", ")
        ));
    }
    warnings
}
