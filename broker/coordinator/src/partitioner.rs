//! Which partition of an internal topic coordinates a key.

use weir_protocol::types::PartitionIndex;

/// Kafka's `abs(key.hashCode()) % partitions`, with Java's string hash over UTF-16 units. The
/// absolute value of `i32::MIN` is 0 (`Utils.abs`), not the sign-masked `Utils.toPositive`.
///
/// `partition_count` must be above 0.
pub fn partition_for(key: &str, partition_count: i32) -> PartitionIndex {
    assert!(partition_count > 0, "a topic has partitions");
    let hash = key.encode_utf16().fold(0i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    PartitionIndex(hash.checked_abs().unwrap_or(0) % partition_count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_where_java_puts_them() {
        // (key, Java's hashCode): from the definition s[0]*31^(n-1) + … over UTF-16 units.
        let cases: [(&str, i32); 8] = [
            ("", 0),
            ("a", 97),
            ("ab", 97 * 31 + 98),
            ("group-id", 506_313_513),
            // U+1F600 is the surrogate pair D83D DE00.
            ("\u{1F600}", 0xD83D * 31 + 0xDE00),
            ("é", 0xE9),
            // A well-known string whose hash is i32::MIN.
            ("polygenelubricants", i32::MIN),
            ("zzzzzz", -685_785_664),
        ];
        for (key, hash) in cases {
            let absolute = if hash == i32::MIN { 0 } else { hash.abs() };
            for count in [1, 7, 50, i32::MAX] {
                assert_eq!(
                    partition_for(key, count),
                    PartitionIndex(absolute % count),
                    "{key:?} over {count}"
                );
            }
        }
    }

    #[test]
    fn the_smallest_hash_is_partition_zero_and_not_its_masked_value() {
        assert_eq!(partition_for("polygenelubricants", 50), PartitionIndex(0));
        // A negative hash keeps its absolute value: masking the sign would give another partition.
        let masked = (-685_785_664i32 & i32::MAX) % 50;
        assert_ne!(partition_for("zzzzzz", 50), PartitionIndex(masked));
    }
}
