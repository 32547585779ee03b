//! The segments of a JPEG file (ITU-T T.81, annex B): size, orientation, and what shows the picture.
//!
//! Only the bytes that make pixels reach the decoder. Comments, profiles and thumbnails do not, nor does what comes
//! after the end, so a fault in them cannot cost the picture. It also settles whether a file is cut off: the last scan is followed
//! by ones, which no Huffman table gives a meaning (T.81, annex C: no code consists of ones only), so that a decoder
//! which wants more data than there is meets an error and not, as behind an end marker, endless zeros.

use image::metadata::Orientation;

use super::super::orientation::from_exif;
use super::{DecodeError, Limits, corrupt};

const TEM: u8 = 0x01;
const SOF0: u8 = 0xC0;
const SOF2: u8 = 0xC2;
const SOF15: u8 = 0xCF;
const DHT: u8 = 0xC4;
const JPG: u8 = 0xC8;
const DAC: u8 = 0xCC;
const RST0: u8 = 0xD0;
const RST7: u8 = 0xD7;
pub(crate) const SOI: u8 = 0xD8;
pub(crate) const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DRI: u8 = 0xDD;
pub(crate) const APP0: u8 = 0xE0;
pub(crate) const APP1: u8 = 0xE1;
pub(crate) const APP2: u8 = 0xE2;
pub(crate) const APP14: u8 = 0xEE;
pub(crate) const FILL: u8 = 0xFF;

/// Ones, each byte followed by the zero that keeps it from being a marker; more than a decoder reads ahead (63 bits).
const ONES: [[u8; 2]; 16] = [[0xFF, 0x00]; 16];

/// One segment that showing the picture needs.
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    /// From the length field on.
    pub(crate) body: &'a [u8],
    /// The image data behind a scan's header.
    pub(crate) data: &'a [u8],
}

/// What the segments say.
pub(crate) struct Segments<'a> {
    frame: Option<Frame>,
    scans: usize,
    orientation: Orientation,
    kept: Vec<Segment<'a>>,
}

impl<'a> Segments<'a> {
    /// Reads the segments up to the end of the picture.
    ///
    /// # Errors
    /// Where the frame is larger than the limit, or where whole scans are missing.
    pub(crate) fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut segments =
            Self { frame: None, scans: 0, orientation: Orientation::NoTransforms, kept: Vec::new() };
        let mut cursor = Cursor { rest: bytes.get(2..).unwrap_or_default() };
        let mut ended = false;
        while !ended && let Some((marker, body)) = cursor.next_segment() {
            match marker {
                SOS => ended = segments.take_scan(body, cursor.scan_data()),
                EOI => ended = true,
                _ => segments.take(marker, body, limits)?,
            }
        }
        segments.check_whole(ended)?;
        Ok(segments)
    }

    /// The segments that make pixels, and the colour profile, in the order of the file.
    pub(crate) fn kept(&self) -> &[Segment<'a>] {
        &self.kept
    }

    /// Which way up the picture belongs.
    pub(crate) fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// The segments that make pixels, as a file of their own.
    pub(super) fn for_decoder(&self) -> Vec<u8> {
        let segments = || self.kept.iter().filter(|segment| segment.marker != APP2);
        let size: usize = segments().map(Segment::size).sum();
        let mut file = Vec::with_capacity(size + size_of_val(&ONES) + 4);
        file.extend_from_slice(&[FILL, SOI]);
        segments().for_each(|segment| segment.write(&mut file));
        let progressive = self.frame.as_ref().is_some_and(|frame| frame.progressive);
        // zune-jpeg wants a marker right behind the first progressive scan, and none behind the last sequential one.
        if !progressive || self.scans > 1 {
            file.extend_from_slice(ONES.as_flattened());
        }
        if progressive {
            file.extend_from_slice(&[FILL, EOI]);
        }
        file
    }

    fn take(&mut self, marker: u8, body: &'a [u8], limits: &Limits) -> Result<(), DecodeError> {
        match marker {
            DHT | DQT | DRI => self.keep(marker, body),
            // JFIF or Motion JPEG, and Adobe's colour transform: they decide what the components mean.
            APP0 | APP14 => self.keep(marker, body),
            APP1 if body.get(2..8) == Some(b"Exif\0\0") => self.orientation = from_exif(&body[8..]),
            APP2 if body.get(2..14) == Some(b"ICC_PROFILE\0") => self.keep(marker, body),
            JPG | DAC => {}
            SOF0..=SOF15 => {
                let frame =
                    Frame::read(marker, body).ok_or_else(|| corrupt("its frame header is too short"))?;
                limits.check(frame.width, frame.height)?;
                self.frame.get_or_insert(frame);
                self.keep(marker, body);
            }
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, marker: u8, body: &'a [u8]) {
        self.kept.push(Segment { marker, body, data: &[] });
    }

    /// Takes a scan with its data; answers whether the picture is whole, so that nothing more can belong to it.
    fn take_scan(&mut self, header: &'a [u8], data: &'a [u8]) -> bool {
        self.kept.push(Segment { marker: SOS, body: header, data });
        self.scans += 1;
        let Some(frame) = &mut self.frame else { return false };
        frame.note_scan(header);
        !frame.progressive && frame.is_complete()
    }

    /// Refuses a file that is cut off. Without an end marker a progressive one counts as whole only once every
    /// coefficient has been sent to its last bit.
    fn check_whole(&self, ended: bool) -> Result<(), DecodeError> {
        let frame = self.frame.as_ref().ok_or_else(|| corrupt("it ends before its frame header"))?;
        if self.scans == 0 || !(frame.is_complete() || frame.progressive && ended) {
            return Err(corrupt("it is cut off before the end of its image data"));
        }
        Ok(())
    }
}

impl Segment<'_> {
    fn size(&self) -> usize {
        2 + self.body.len() + self.data.len()
    }

    /// Writes the segment as it was.
    pub(crate) fn write(&self, file: &mut Vec<u8>) {
        file.extend_from_slice(&[FILL, self.marker]);
        file.extend_from_slice(self.body);
        file.extend_from_slice(self.data);
    }
}

/// The frame header, and how much of the frame's coefficients the scans so far have sent.
struct Frame {
    width: u32,
    height: u32,
    progressive: bool,
    components: Vec<Component>,
}

/// One colour: bit `k` of `known` is set once coefficient `k` of its blocks is known to the last bit.
struct Component {
    id: u8,
    known: u64,
}

impl Frame {
    fn read(marker: u8, body: &[u8]) -> Option<Self> {
        let &[_, _, _, h1, h0, w1, w0, count, ref components @ ..] = body else { return None };
        let components = components.chunks_exact(3).take(count.into());
        Some(Self {
            width: u16::from_be_bytes([w1, w0]).into(),
            height: u16::from_be_bytes([h1, h0]).into(),
            progressive: marker == SOF2,
            components: components.map(|component| Component { id: component[0], known: 0 }).collect(),
        })
    }

    /// Notes what a scan sends; a malformed scan header is left to the decoder to refuse.
    fn note_scan(&mut self, header: &[u8]) {
        let Some(&count) = header.get(2) else { return };
        let Some((ids, parameters)) = header[3..].split_at_checked(2 * usize::from(count)) else { return };
        let &[first, last, approximation, ..] = parameters else { return };
        let sent = match (self.progressive, approximation & 0x0F) {
            (false, _) => u64::MAX,
            (true, 0) => (first..=last.min(63)).fold(0, |bits, k| bits | 1 << k),
            (true, _) => 0,
        };
        for component in &mut self.components {
            if ids.iter().step_by(2).any(|&id| id == component.id) {
                component.known |= sent;
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.components.iter().all(|component| component.known == u64::MAX)
    }
}

/// A place in the file; bytes that belong to no segment are passed over.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The next marker and its segment from the length field on; `None` at the end of the file and where the segment
    /// is cut off.
    fn next_segment(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            let fill = memchr::memchr(FILL, self.rest)?;
            let at = fill + self.rest[fill..].iter().position(|&byte| byte != FILL)?;
            let marker = self.rest[at];
            self.rest = &self.rest[at + 1..];
            match marker {
                0 | TEM | RST0..=RST7 | SOI => {}
                EOI => return Some((EOI, &[])),
                _ => {
                    let length = u16::from_be_bytes(*self.rest.first_chunk()?);
                    let (body, rest) = self.rest.split_at_checked(length.into())?;
                    self.rest = rest;
                    return Some((marker, body));
                }
            }
        }
    }

    /// The data of a scan, up to the next marker that is neither a restart nor a byte of data.
    fn scan_data(&mut self) -> &'a [u8] {
        let ends = |&at: &usize| match self.rest.get(at + 1).copied() {
            Some(0 | RST0..=RST7 | FILL) => false,
            Some(_) | None => true,
        };
        let end = memchr::memchr_iter(FILL, self.rest).find(ends).unwrap_or(self.rest.len());
        let (data, rest) = self.rest.split_at(end);
        self.rest = rest;
        data
    }
}
