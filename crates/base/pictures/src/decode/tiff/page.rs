//! The first page as a file of its own: the fields that are known to matter, and the image data as it is.

use crate::layout::tiff::{
    BITS_PER_SAMPLE, ByteOrder, COMPRESSION, Directory, EXTRA_SAMPLES, Entry, FILL_ORDER, ICC_PROFILE,
    IMAGE_LENGTH, IMAGE_WIDTH, INK_SET, ORIENTATION, PHOTOMETRIC, PLANAR_CONFIGURATION, PREDICTOR,
    PRIMARY_CHROMATICITIES, RESOLUTION_UNIT, ROWS_PER_STRIP, SAMPLE_FORMAT, SAMPLES_PER_PIXEL,
    STRIP_BYTE_COUNTS, STRIP_OFFSETS, TILE_BYTE_COUNTS, TILE_LENGTH, TILE_OFFSETS, TILE_WIDTH,
    TRANSFER_FUNCTION, WHITE_POINT, X_RESOLUTION, Y_RESOLUTION,
};

/// Pixels, colours and density. The places of the image data and its sizes are written anew.
const KEPT: [u16; 23] = [
    IMAGE_WIDTH,
    IMAGE_LENGTH,
    BITS_PER_SAMPLE,
    COMPRESSION,
    PHOTOMETRIC,
    FILL_ORDER,
    ORIENTATION,
    SAMPLES_PER_PIXEL,
    ROWS_PER_STRIP,
    X_RESOLUTION,
    Y_RESOLUTION,
    PLANAR_CONFIGURATION,
    RESOLUTION_UNIT,
    TRANSFER_FUNCTION,
    PREDICTOR,
    WHITE_POINT,
    PRIMARY_CHROMATICITIES,
    TILE_WIDTH,
    TILE_LENGTH,
    INK_SET,
    EXTRA_SAMPLES,
    SAMPLE_FORMAT,
    ICC_PROFILE,
];

const LONG: u16 = 4;

/// `Compression` of pixels as they are.
const PLAIN: u32 = 1;

/// `PlanarConfiguration` of a plane for each channel.
const PLANAR: u32 = 2;

/// `None` where image data is missing, shorter than its pixels, or outside of the file.
pub(super) fn rewritten(file: &[u8]) -> Option<Vec<u8>> {
    let directory = Directory::read(file)?;
    let (places, sizes) = match directory.entry(TILE_OFFSETS) {
        Some(_) => (TILE_OFFSETS, TILE_BYTE_COUNTS),
        None => (STRIP_OFFSETS, STRIP_BYTE_COUNTS),
    };
    let kept: Vec<&Entry<'_>> = directory
        .entries
        .iter()
        .filter(|entry| KEPT.contains(&entry.tag) && !entry.value.is_empty())
        .collect();
    // Parts that lie on each other could make a large file of a small one.
    let room = file.len().checked_sub(kept.iter().map(|entry| entry.value.len()).sum())?;
    let pieces = pieces(file, directory.numbers(places).zip(directory.numbers(sizes)), room)?;
    if directory.number(COMPRESSION).unwrap_or(PLAIN) == PLAIN && !hold_all_pixels(&directory, &pieces)? {
        return None;
    }
    let mut page = Page::new(directory.order);
    page.write_pieces(&pieces, places, sizes)?;
    for entry in kept {
        page.write_field(entry.tag, entry.kind, entry.count, entry.value)?;
    }
    page.finish()
}

/// The strips or tiles, of which a decoder may find the last one short; `None` where there are none, or more bytes
/// than there is room for.
fn pieces(
    file: &[u8],
    places_and_sizes: impl Iterator<Item = (u32, u32)>,
    mut room: usize,
) -> Option<Vec<&[u8]>> {
    let mut pieces = Vec::new();
    for (place, size) in places_and_sizes {
        let rest = file.get(place as usize..)?;
        let piece = &rest[..rest.len().min(size as usize)];
        room = room.checked_sub(piece.len())?;
        pieces.push(piece);
    }
    (!pieces.is_empty()).then_some(pieces)
}

/// Whether strips or tiles of plain pixels are as long as these; behind a shorter one the decoder would go on with
/// whatever follows.
fn hold_all_pixels(directory: &Directory<'_>, pieces: &[&[u8]]) -> Option<bool> {
    let (width, height) = (directory.number(IMAGE_WIDTH)?, directory.number(IMAGE_LENGTH)?);
    let piece_width = directory.number(TILE_WIDTH).unwrap_or(width);
    let most_rows =
        directory.number(TILE_LENGTH).or(directory.number(ROWS_PER_STRIP)).unwrap_or(height).min(height);
    let samples = match directory.number(PLANAR_CONFIGURATION) {
        Some(PLANAR) => 1,
        _ => directory.number(SAMPLES_PER_PIXEL).unwrap_or(1),
    };
    let bits = directory.number(BITS_PER_SAMPLE).unwrap_or(1);
    let row = (u64::from(piece_width) * u64::from(samples) * u64::from(bits)).div_ceil(8);
    let across = width.div_ceil(piece_width.max(1)).max(1) as usize;
    let down = height.div_ceil(most_rows.max(1)).max(1) as usize;
    let rows = |index: usize| {
        let above = (index / across % down) as u64 * u64::from(most_rows);
        u64::from(most_rows).min(u64::from(height).saturating_sub(above))
    };
    let is_whole = |(index, piece): (usize, &&[u8])| piece.len() as u64 >= row.saturating_mul(rows(index));
    Some(pieces.iter().enumerate().all(is_whole))
}

/// A TIFF file of one page while it is written: image data, long values, and at last the directory.
struct Page {
    order: ByteOrder,
    file: Vec<u8>,
    /// Tag and the twelve bytes of every field.
    fields: Vec<(u16, Vec<u8>)>,
}

impl Page {
    fn new(order: ByteOrder) -> Self {
        let signature = match order {
            ByteOrder::Little => *b"II\x2A\0",
            ByteOrder::Big => *b"MM\0\x2A",
        };
        Self { order, file: [signature, [0; 4]].concat(), fields: Vec::new() }
    }

    fn write_pieces(&mut self, pieces: &[&[u8]], places: u16, sizes: u16) -> Option<()> {
        let order = self.order;
        let at: Option<Vec<u32>> = pieces.iter().map(|piece| self.append(piece)).collect();
        let at: Vec<u8> = at?.into_iter().flat_map(|place| order.bytes_of_u32(place)).collect();
        let long =
            pieces.iter().flat_map(|piece| order.bytes_of_u32(piece.len() as u32)).collect::<Vec<u8>>();
        let count = u32::try_from(pieces.len()).ok()?;
        self.write_field(places, LONG, count, &at)?;
        self.write_field(sizes, LONG, count, &long)
    }

    /// Values of up to four bytes lie in the field itself.
    fn write_field(&mut self, tag: u16, kind: u16, count: u32, value: &[u8]) -> Option<()> {
        let order = self.order;
        let mut field = [order.bytes_of_u16(tag), order.bytes_of_u16(kind)].concat();
        field.extend_from_slice(&order.bytes_of_u32(count));
        match value.len() {
            0..=4 => field.extend_from_slice(value),
            _ => field.extend_from_slice(&order.bytes_of_u32(self.append(value)?)),
        }
        field.resize(12, 0);
        self.fields.push((tag, field));
        Some(())
    }

    /// Writes bytes at an even place and tells it.
    fn append(&mut self, bytes: &[u8]) -> Option<u32> {
        let place = u32::try_from(self.file.len()).ok()?;
        self.file.extend_from_slice(bytes);
        self.file.extend_from_slice(&[0][..bytes.len() % 2]);
        Some(place)
    }

    /// Writes the directory, whose fields are in the order of their tags, and its place into the header.
    fn finish(mut self) -> Option<Vec<u8>> {
        self.fields.sort_by_key(|(tag, _)| *tag);
        let count = self.order.bytes_of_u16(u16::try_from(self.fields.len()).ok()?);
        let fields: Vec<u8> = self.fields.iter().flat_map(|(_, field)| field).copied().collect();
        // Behind the directory stands the place of the next page: there is none.
        let place = self.append(&[&count, fields.as_slice(), &[0; 4]].concat())?;
        self.file[4..8].copy_from_slice(&self.order.bytes_of_u32(place));
        Some(self.file)
    }
}
