//! Numbers at a place in a file; `None` where it ends before.

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(crate) fn u16_le(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(|bytes| u16::from_le_bytes(bytes).into())
}

pub(crate) fn u16_be(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(|bytes| u16::from_be_bytes(bytes).into())
}

pub(crate) fn u24_le(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
}

pub(crate) fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_be_bytes)
}
