//! Words that do not belong into the repository.

use crate::{SourceFile, expect_none, source_files};

/// Reminders must point at an issue: `(#12)`.
fn reminders_without_issue(file: &SourceFile) -> Vec<String> {
    // Put together here, so that this file has none.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let is_mark = |word: &str| marks.iter().any(|mark| mark == word);
    let has_issue = |line: &str| {
        let after = line.split('#').skip(1);
        after
            .into_iter()
            .any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| line.split(|c: char| !c.is_alphanumeric()).any(is_mark))
        .filter(|(_, line)| !has_issue(line))
        .map(|(number, _)| format!("{}:{}", file.path, number + 1))
        .collect()
}

/// Paths of somebody's machine.
fn machine_paths(file: &SourceFile) -> Vec<String> {
    let paths = ["work", "root", "home"].map(|name| format!("/{name}/"));
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| {
            paths.iter().any(|path| {
                let mut places = line.match_indices(path.as_str());
                // `x/root/y` is a relative path of anything.
                places.any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "}.-_".contains(c))
                })
            })
        })
        .map(|(number, _)| format!("{}:{}", file.path, number + 1))
        .collect()
}

#[test]
fn reminders_point_at_an_issue() {
    let findings: Vec<String> = source_files()
        .iter()
        .flat_map(reminders_without_issue)
        .collect();
    expect_none("reminders without an issue number", &findings);
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    let findings: Vec<String> = source_files().iter().flat_map(machine_paths).collect();
    expect_none("paths of a machine", &findings);
}

#[test]
fn words_are_noticed_where_they_stand() {
    let file = |text: String| SourceFile {
        path: "a.md".to_owned(),
        text,
    };
    let mark = ["TO", "DO"].concat();
    let reminders = file(format!("x\n{mark}: later\n{mark}(#12): then\nMAS{mark}N\n"));
    assert_eq!(reminders_without_issue(&reminders), ["a.md:2"]);
    let (root, home) = (["/ro", "ot/x"].concat(), ["/ho", "me/x"].concat());
    let paths = file(format!("see {root}\nfs{root}\n\"{home}\"\n"));
    assert_eq!(machine_paths(&paths), ["a.md:1", "a.md:3"]);
}
