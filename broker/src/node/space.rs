//! One warning at start: topics whose settings ask for space to be freed, which does not happen yet.

use weir_tiering::metadata::Image;

use crate::config;

/// Topics that the line names; of the others it gives the number.
const NAMED_MAX: usize = 5;

/// The line for the log, unless no topic of users has such a setting of its own. (What the broker's
/// own keys say is in the line about keys without an effect.)
pub fn warning(image: &Image) -> Option<String> {
    let topics = image.topics.sorted();
    let expecting = topics
        .into_iter()
        .filter(|topic| !topic.internal && config::expects_space(&topic.configs));
    let names: Vec<&str> = expecting.map(|topic| &*topic.name).collect();
    let (first, others) = names.split_at(names.len().min(NAMED_MAX));
    if first.is_empty() {
        return None;
    }
    let others = match others.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    Some(format!(
        "retention and compaction free no space yet in this version, though topics ask for it: {}{others}",
        first.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use weir_protocol::types::Uuid;
    use weir_tiering::{
        ids::Slot,
        metadata::{Command, image::topics::CreateTopic},
        ownership::placement::Placement,
    };

    use super::*;

    fn image(topics: &[(&str, Option<&str>)]) -> Image {
        let mut image = Image::default();
        for (i, (name, setting)) in topics.iter().enumerate() {
            let configs = setting.map(|setting| (setting.to_owned(), "1".to_owned()));
            let command = Command::CreateTopic(CreateTopic {
                name: Arc::from(*name),
                id: Uuid([i as u8 + 2; 16]),
                partitions: 1,
                placement: Placement::default(),
                configs: BTreeMap::from_iter(configs),
                internal: name.starts_with("__"),
            });
            image.apply(&command, Slot(0)).unwrap();
        }
        image
    }

    #[test]
    fn only_users_topics_with_such_settings_of_their_own_are_named() {
        let quiet = [
            ("a", None),
            ("b", Some("max.message.bytes")),
            ("__c", Some("retention.ms")),
        ];
        assert_eq!(warning(&image(&quiet)), None);
        let line = warning(&image(&[("a", None), ("z", Some("retention.ms"))])).unwrap();
        assert!(line.ends_with("topics ask for it: z"), "{line}");
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let many = names.map(|name| (name, Some("cleanup.policy")));
        let line = warning(&image(&many)).unwrap();
        assert!(line.ends_with(": a, b, c, d, e and 2 more"), "{line}");
    }
}
