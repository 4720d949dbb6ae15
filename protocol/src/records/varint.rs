//! Zig-zag varints of the record format: 32-bit ("varint") and 64-bit ("varlong"), little end first.

/// Why a varint could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end inside the number.
    Truncated,
    /// More bits than the type has. Kafka's reader drops the excess silently; other clients don't
    /// agree with it about the value then, so we refuse.
    Overflow,
}

/// Reads a zig-zag `i32` from `bytes` at `*pos` and moves `*pos` behind it; at most 5 bytes. On an
/// error `*pos` is unspecified.
#[inline]
pub fn read_varint(bytes: &[u8], pos: &mut usize) -> Result<i32, VarintError> {
    let raw = read_unsigned(bytes, pos, 28, 0x0f)? as u32;
    Ok(((raw >> 1) as i32) ^ -((raw & 1) as i32))
}

/// Reads a zig-zag `i64`, at most 10 bytes; else as [`read_varint`].
#[inline]
pub fn read_varlong(bytes: &[u8], pos: &mut usize) -> Result<i64, VarintError> {
    let raw = read_unsigned(bytes, pos, 63, 0x01)?;
    Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64))
}

/// `shift_last` is the shift of the last byte that may be there, `last_max` its largest value.
/// Longer forms than needed (`80 00` for 0) are accepted, as Kafka does.
#[inline]
fn read_unsigned(
    bytes: &[u8],
    pos: &mut usize,
    shift_last: u32,
    last_max: u8,
) -> Result<u64, VarintError> {
    let mut value = 0u64;
    let mut shift = 0;
    loop {
        let &byte = bytes.get(*pos).ok_or(VarintError::Truncated)?;
        *pos += 1;
        if shift == shift_last && byte > last_max {
            return Err(VarintError::Overflow);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
        shift += 7;
    }
}

pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_unsigned(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put_varint`] writes, 1 to 5.
pub fn varint_len(value: i32) -> usize {
    unsigned_len(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// Bytes that [`put_varlong`] writes, 1 to 10.
pub fn varlong_len(value: i64) -> usize {
    unsigned_len(((value << 1) ^ (value >> 63)) as u64)
}

fn unsigned_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_values_round_trip_and_have_the_announced_length() {
        let ints = [0, -1, 1, 63, -64, 64, 8191, -8193, i32::MAX, i32::MIN];
        for value in ints {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value));
            let mut pos = 0;
            assert_eq!(read_varint(&out, &mut pos), Ok(value));
            assert_eq!(pos, out.len());
        }
        for value in [0, -1, i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(out.len(), varlong_len(value));
            let mut pos = 0;
            assert_eq!(read_varlong(&out, &mut pos), Ok(value));
            assert_eq!(pos, out.len());
        }
    }

    #[test]
    fn too_many_bits_and_missing_bytes_are_told_apart() {
        let read = |bytes: &[u8]| read_varint(bytes, &mut 0);
        assert_eq!(read(&[]), Err(VarintError::Truncated));
        assert_eq!(read(&[0xff, 0xff]), Err(VarintError::Truncated));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(i32::MIN));
        assert_eq!(
            read(&[0xff, 0xff, 0xff, 0xff, 0x1f]),
            Err(VarintError::Overflow)
        );
        assert_eq!(
            read(&[0x80, 0x80, 0x80, 0x80, 0x80]),
            Err(VarintError::Overflow)
        );
        assert_eq!(read(&[0x80, 0x00]), Ok(0), "a longer form than needed");
        let mut eleven = [0x80; 11];
        eleven[10] = 0;
        assert_eq!(read_varlong(&eleven, &mut 0), Err(VarintError::Overflow));
    }
}
