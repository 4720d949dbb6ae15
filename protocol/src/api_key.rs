//! The APIs: keys, names, versions.

mod table;

pub use table::ApiKey;

use std::fmt;
use std::ops::RangeInclusive;
use table::TABLE;

/// What the schemas say about one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiInfo {
    pub key: ApiKey,
    pub name: &'static str,
    pub versions_min: i16,
    /// The highest version that has a schema, also when it is unstable.
    pub versions_max: i16,
    pub flexible_since: Option<i16>,
    /// Kafka does not advertise the highest version unless told to.
    pub latest_version_unstable: bool,
    /// False for the APIs that Kafka has on the controller listener only.
    pub broker_listener: bool,
}

/// Row of each key in `TABLE`, `NO_ROW` where there is none; looked at several times per request.
static ROWS: [u8; KEYS] = rows();
const KEYS: usize = TABLE[TABLE.len() - 1].key as usize + 1;
const NO_ROW: u8 = u8::MAX;

const fn rows() -> [u8; KEYS] {
    assert!(TABLE.len() < NO_ROW as usize);
    let mut rows = [NO_ROW; KEYS];
    let mut row = 0;
    while row < TABLE.len() {
        rows[TABLE[row].key as usize] = row as u8;
        row += 1;
    }
    rows
}

impl ApiKey {
    /// `None` for a key that we have no schema of.
    pub fn from_i16(key: i16) -> Option<ApiKey> {
        let row = *ROWS.get(usize::try_from(key).ok()?)?;
        TABLE.get(usize::from(row)).map(|info| info.key)
    }

    pub fn as_i16(self) -> i16 {
        self as i16
    }

    /// All of them, in the order of their keys.
    pub fn all() -> impl ExactSizeIterator<Item = ApiKey> {
        TABLE.iter().map(|info| info.key)
    }

    pub fn info(self) -> &'static ApiInfo {
        &TABLE[usize::from(ROWS[self as usize])]
    }

    /// Kafka's name, such as `Fetch`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The versions that have schemas.
    pub fn versions(self) -> RangeInclusive<i16> {
        self.info().versions_min..=self.info().versions_max
    }

    /// The versions that Kafka 4.3.1 calls stable.
    pub fn stable_versions(self) -> RangeInclusive<i16> {
        let info = self.info();
        info.versions_min..=info.versions_max - i16::from(info.latest_version_unstable)
    }

    /// Whether this version has compact lengths and tagged fields; also right for versions above
    /// those that are known.
    pub fn is_flexible(self, version: i16) -> bool {
        self.info()
            .flexible_since
            .is_some_and(|since| version >= since)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_by_its_number() {
        assert_eq!(ApiKey::all().len(), 81);
        for key in ApiKey::all() {
            assert_eq!(ApiKey::from_i16(key.as_i16()), Some(key));
            assert!(!key.versions().is_empty());
        }
        for unknown in [-1, 4, 7, 9999, i16::MIN, i16::MAX] {
            assert_eq!(ApiKey::from_i16(unknown), None);
        }
    }

    #[test]
    fn versions_are_those_of_kafka_4_3_1() {
        assert_eq!(ApiKey::Produce.versions(), 3..=13);
        assert_eq!(ApiKey::InitProducerId.versions(), 0..=6);
        assert_eq!(ApiKey::InitProducerId.stable_versions(), 0..=5);
        assert!(!ApiKey::Fetch.is_flexible(11));
        assert!(ApiKey::Fetch.is_flexible(12));
        assert!(!ApiKey::OffsetDelete.is_flexible(i16::MAX));
    }
}
