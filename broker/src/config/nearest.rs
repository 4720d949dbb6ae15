//! Finds the valid name that a mistyped one was probably meant to be.

/// The broker key that `name` was probably meant to be: also ours without its `weir.`.
pub fn nearest_key(name: &str) -> Option<&'static str> {
    match super::keys::find(&format!("weir.{name}")) {
        Some(ours) => Some(ours.name),
        None => nearest(name, super::keys::all().map(|key| key.name)),
    }
}

/// The candidate with the smallest edit distance to `name` (letters inserted, removed, changed or
/// swapped), if that is at most a third of its length. The first of equals.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A name is short; a longer one is no typing mistake, and the search is quadratic.
    const NAME_LEN_MAX: usize = 128;
    if name.len() > NAME_LEN_MAX {
        return None;
    }
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = edit_distance(&name, candidate);
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.filter(|(distance, _)| *distance <= (name.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance.
fn edit_distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_previous = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for (i, &ca) in a.iter().enumerate() {
        let mut current = vec![i + 1; b.len() + 1];
        for (j, &cb) in b.iter().enumerate() {
            let change = previous[j] + usize::from(ca != cb);
            let mut least = change.min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && ca == b[j - 1] && a[i - 1] == cb {
                least = least.min(before_previous[j - 1] + 1);
            }
            current[j + 1] = least;
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = ["num.partitions", "num.io.threads", "node.id"];
        let find = |name| nearest(name, names.into_iter());
        assert_eq!(find("num.partition"), Some("num.partitions"));
        assert_eq!(find("num.patritions"), Some("num.partitions"));
        assert_eq!(find("NODE.ID"), Some("node.id"));
        assert_eq!(find("completely.different.thing"), None);
        assert_eq!(find(&"x".repeat(10_000)), None);
    }
}
