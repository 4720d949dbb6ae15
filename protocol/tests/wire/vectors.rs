//! The golden vectors: what Kafka's own classes make of every message in every version.

use bytes::Bytes;
use flate2::read::GzDecoder;
use std::io::Read;
use weir_protocol::message::Message;

/// Vectors per message and version, as `Vectors.java` writes them.
pub const SEEDS: usize = 10;

pub struct Vector {
    pub name: String,
    pub version: i16,
    /// CRC-32 of the text that `{:?}` must give for the decoded value.
    pub debug_crc: u32,
    pub bytes: Bytes,
}

pub fn vectors() -> Vec<Vector> {
    let packed = include_bytes!("../data/vectors.bin.gz");
    let mut all = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut all).unwrap();
    let mut rest = Bytes::from(all);
    let mut vectors = Vec::new();
    while !rest.is_empty() {
        let name_bytes = usize::from(u16::from_be_bytes(
            take(&mut rest, 2)[..].try_into().unwrap(),
        ));
        let name = String::from_utf8(take(&mut rest, name_bytes).to_vec()).unwrap();
        let version = i16::from_be_bytes(take(&mut rest, 2)[..].try_into().unwrap());
        let debug_crc = u32::from_be_bytes(take(&mut rest, 4)[..].try_into().unwrap());
        let length = u32::from_be_bytes(take(&mut rest, 4)[..].try_into().unwrap());
        vectors.push(Vector {
            name,
            version,
            debug_crc,
            bytes: take(&mut rest, length as usize),
        });
    }
    vectors
}

fn take(rest: &mut Bytes, count: usize) -> Bytes {
    rest.split_to(count)
}

/// Something to be done with a vector, given its type.
pub trait Check {
    fn check<M: Message>(&mut self, vector: &Vector);
}

/// Calls `check` with the type that the vector's name says.
pub fn dispatch(check: &mut impl Check, vector: &Vector) {
    macro_rules! by_name {
        ($($message:ident,)*) => {
            match vector.name.as_str() {
                $(stringify!($message) => check.check::<weir_protocol::messages::$message>(vector),)*
                other => panic!("no type for {other}"),
            }
        };
    }
    weir_protocol::for_each_message!(by_name);
}

/// How many (message, version) pairs the generated types have.
pub fn versions_of_all_messages() -> usize {
    let mut count = 0;
    macro_rules! sum {
        ($($message:ident,)*) => {
            $(count += <weir_protocol::messages::$message as Message>::VERSIONS.count();)*
        };
    }
    weir_protocol::for_each_message!(sum);
    count
}
