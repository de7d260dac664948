//! Zigzag varints of the record format: 7 bits a byte, the least first, at most 5 or 10 bytes.

/// Reads a signed 32-bit varint from the front of `bytes` and moves past it. `None` if the bytes
/// end inside it or it has more than 32 bits.
#[inline]
pub fn read_i32(bytes: &mut &[u8]) -> Option<i32> {
    let raw = u32::try_from(read_u64(bytes, 5)?).ok()?;
    Some((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

/// Reads a signed 64-bit varint, as [`read_i32`] does.
#[inline]
pub fn read_i64(bytes: &mut &[u8]) -> Option<i64> {
    let raw = read_u64(bytes, 10)?;
    Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Nearly all varints of a record have one byte or two.
#[inline]
fn read_u64(bytes: &mut &[u8], bytes_max: usize) -> Option<u64> {
    match **bytes {
        [first, ref rest @ ..] if first < 0x80 => {
            *bytes = rest;
            Some(u64::from(first))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *bytes = rest;
            Some(u64::from(first & 0x7f) | u64::from(second) << 7)
        }
        _ => read_long(bytes, bytes_max),
    }
}

#[cold]
fn read_long(bytes: &mut &[u8], bytes_max: usize) -> Option<u64> {
    let mut value = 0u64;
    for (i, byte) in bytes.iter().take(bytes_max).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if i == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * i);
        if byte & 0x80 == 0 {
            *bytes = &bytes[i + 1..];
            return Some(value);
        }
    }
    None
}

/// Appends a signed 32-bit varint.
#[inline]
pub fn write_i32(out: &mut Vec<u8>, value: i32) {
    let mut raw = zigzag_i64(i64::from(value));
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Folds the sign into the lowest bit, so that small numbers of either sign are short. The
/// zigzag form of a 32-bit number is the same in 64 bits.
#[inline]
pub fn zigzag_i64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Bytes that a 32-bit varint takes.
#[inline]
pub fn size_i32(value: i32) -> usize {
    size_i64(i64::from(value))
}

/// Bytes that a 64-bit varint takes: its bits rounded up to sevens; zero takes a byte too.
#[inline]
pub fn size_i64(value: i64) -> usize {
    (70 - (zigzag_i64(value) | 1).leading_zeros() as usize) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write_i64(out: &mut Vec<u8>, value: i64) {
        let mut raw = zigzag_i64(value);
        while raw >= 0x80 {
            out.push(raw as u8 | 0x80);
            raw >>= 7;
        }
        out.push(raw as u8);
    }

    proptest! {
        #[test]
        fn a_varint_comes_back_and_has_the_size_foretold(small in any::<i32>(), large in any::<i64>()) {
            let mut out = Vec::new();
            write_i32(&mut out, small);
            prop_assert_eq!(out.len(), size_i32(small));
            write_i64(&mut out, large);
            prop_assert_eq!(out.len(), size_i32(small) + size_i64(large));
            let mut bytes = &out[..];
            prop_assert_eq!(read_i32(&mut bytes), Some(small));
            prop_assert_eq!(read_i64(&mut bytes), Some(large));
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn edges_are_exact_and_overlong_varints_are_refused() {
        for value in [0, -1, 1, 63, 64, -64, -65, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            write_i32(&mut out, value);
            assert_eq!(out.len(), size_i32(value), "{value}");
            assert_eq!(read_i32(&mut &out[..]), Some(value));
        }
        assert_eq!(read_i32(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None, "33 bits and more");
        assert_eq!(read_i32(&mut &[0x80; 6][..]), None, "no end within 5 bytes");
        assert_eq!(read_i64(&mut &[0xff; 10][..]), None, "no end within 10 bytes");
        assert_eq!(read_i32(&mut &[0x80][..]), None, "cut off");
    }
}
