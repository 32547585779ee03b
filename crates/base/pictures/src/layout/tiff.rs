//! The first directory of a TIFF file (TIFF revision 6.0, section 2), which describes its first page.

use super::field::{u16_be, u16_le, u32_be, u32_le};

pub(crate) const NEW_SUBFILE_TYPE: u16 = 254;
pub(crate) const IMAGE_WIDTH: u16 = 256;
pub(crate) const IMAGE_LENGTH: u16 = 257;
pub(crate) const BITS_PER_SAMPLE: u16 = 258;
pub(crate) const COMPRESSION: u16 = 259;
pub(crate) const PHOTOMETRIC: u16 = 262;
pub(crate) const FILL_ORDER: u16 = 266;
pub(crate) const STRIP_OFFSETS: u16 = 273;
pub(crate) const ORIENTATION: u16 = 274;
pub(crate) const SAMPLES_PER_PIXEL: u16 = 277;
pub(crate) const ROWS_PER_STRIP: u16 = 278;
pub(crate) const STRIP_BYTE_COUNTS: u16 = 279;
pub(crate) const X_RESOLUTION: u16 = 282;
pub(crate) const Y_RESOLUTION: u16 = 283;
pub(crate) const PLANAR_CONFIGURATION: u16 = 284;
pub(crate) const RESOLUTION_UNIT: u16 = 296;
pub(crate) const TRANSFER_FUNCTION: u16 = 301;
pub(crate) const PREDICTOR: u16 = 317;
pub(crate) const WHITE_POINT: u16 = 318;
pub(crate) const PRIMARY_CHROMATICITIES: u16 = 319;
pub(crate) const TILE_WIDTH: u16 = 322;
pub(crate) const TILE_LENGTH: u16 = 323;
pub(crate) const TILE_OFFSETS: u16 = 324;
pub(crate) const TILE_BYTE_COUNTS: u16 = 325;
pub(crate) const INK_SET: u16 = 332;
pub(crate) const EXTRA_SAMPLES: u16 = 338;
pub(crate) const SAMPLE_FORMAT: u16 = 339;
pub(crate) const ICC_PROFILE: u16 = 34675;

/// The order of the bytes in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The order that a TIFF file states; `None` for bytes that are none.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'I', b'I', 42, 0, ..] => Some(Self::Little),
            [b'M', b'M', 0, 42, ..] => Some(Self::Big),
            _ => None,
        }
    }

    fn u16(self, bytes: &[u8], at: usize) -> Option<u32> {
        match self {
            Self::Little => u16_le(bytes, at),
            Self::Big => u16_be(bytes, at),
        }
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        match self {
            Self::Little => u32_le(bytes, at),
            Self::Big => u32_be(bytes, at),
        }
    }

    /// The bytes of a 16-bit number.
    pub(crate) fn bytes_of_u16(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    /// The bytes of a 32-bit number.
    pub(crate) fn bytes_of_u32(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

/// One field of the directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) tag: u16,
    pub(crate) kind: u16,
    pub(crate) count: u32,
    /// The values, wherever in the file they lie; none where that is outside of it or their type is unknown.
    pub(crate) value: &'a [u8],
    order: ByteOrder,
}

impl Entry<'_> {
    /// The values as numbers; none where they are of a type other than byte, short and long.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        let size = if matches!(self.kind, 1 | 3 | 4) { size_of_kind(self.kind) } else { 0 };
        let count = self.value.len().checked_div(size).unwrap_or(0);
        (0..count).filter_map(move |index| match size {
            1 => self.value.get(index).copied().map(u32::from),
            2 => self.order.u16(self.value, 2 * index),
            _ => self.order.u32(self.value, 4 * index),
        })
    }
}

/// Bytes of one value of a type (TIFF 6.0, section 2, "Types"), 0 for an unknown one.
fn size_of_kind(kind: u16) -> usize {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 0,
    }
}

/// The first directory.
pub(crate) struct Directory<'a> {
    pub(crate) order: ByteOrder,
    pub(crate) entries: Vec<Entry<'a>>,
}

impl<'a> Directory<'a> {
    /// Reads the directory; `None` where the file ends inside of it or a field is given twice, so that two readers
    /// cannot see two pictures.
    pub(crate) fn read(file: &'a [u8]) -> Option<Self> {
        let order = ByteOrder::of(file)?;
        let start = order.u32(file, 4)? as usize;
        let count = order.u16(file, start)? as usize;
        let fields = file.get(start..)?.get(2..2 + 12 * count)?;
        let mut tags: Vec<u32> = fields.chunks(12).filter_map(|field| order.u16(field, 0)).collect();
        tags.sort_unstable();
        if tags.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let entries = fields.chunks(12).filter_map(|field| entry(order, file, field)).collect();
        Some(Self { order, entries })
    }

    /// The field with this tag.
    pub(crate) fn entry(&self, tag: u16) -> Option<&Entry<'a>> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// The values of the field with this tag as numbers; none where it is missing.
    pub(crate) fn numbers(&self, tag: u16) -> impl Iterator<Item = u32> {
        self.entry(tag).into_iter().flat_map(Entry::numbers)
    }

    /// The first value of the field with this tag.
    pub(crate) fn number(&self, tag: u16) -> Option<u32> {
        self.numbers(tag).next()
    }
}

/// A field of twelve bytes: tag, type, count, and the values or the place where they are.
fn entry<'a>(order: ByteOrder, file: &'a [u8], field: &'a [u8]) -> Option<Entry<'a>> {
    let (tag, kind) = (order.u16(field, 0)? as u16, order.u16(field, 2)? as u16);
    let (count, place) = (order.u32(field, 4)?, order.u32(field, 8)? as usize);
    let size = (count as usize).saturating_mul(size_of_kind(kind));
    let value = match size {
        0..=4 => field.get(8..8 + size),
        _ => file.get(place..).and_then(|rest| rest.get(..size)),
    };
    Some(Entry { tag, kind, count, value: value.unwrap_or_default(), order })
}
