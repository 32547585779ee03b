//! The segments of a JPEG file (ITU-T T.81, annex B): size, orientation, and the bytes that make pixels.
//!
//! Only those bytes reach the decoder. Comments, profiles and thumbnails do not, nor does what comes after the end,
//! so a fault in them cannot cost the picture. It also settles whether a file is cut off: the last scan is followed
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
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DRI: u8 = 0xDD;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP14: u8 = 0xEE;
const FILL: u8 = 0xFF;

/// Ones, each byte followed by the zero that keeps it from being a marker; more than a decoder reads ahead (63 bits).
const ONES: [[u8; 2]; 16] = [[0xFF, 0x00]; 16];

/// What the segments say.
pub(super) struct Segments {
    frame: Option<Frame>,
    scans: usize,
    orientation: Orientation,
    for_decoder: Vec<u8>,
}

impl Segments {
    /// Reads the segments up to the end of the picture.
    ///
    /// # Errors
    /// Where the frame is larger than the limit, or where whole scans are missing.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        let mut for_decoder = Vec::with_capacity(bytes.len() + size_of_val(&ONES));
        for_decoder.extend_from_slice(&[FILL, SOI]);
        let mut segments =
            Self { frame: None, scans: 0, orientation: Orientation::NoTransforms, for_decoder };
        let mut cursor = Cursor { rest: bytes.get(2..).unwrap_or_default() };
        let mut ended = false;
        while !ended && let Some((marker, body)) = cursor.next_segment() {
            match marker {
                SOS => ended = segments.take_scan(body, cursor.scan_data()),
                EOI => ended = true,
                _ => segments.take(marker, body, limits)?,
            }
        }
        segments.close(ended)?;
        Ok(segments)
    }

    /// The segments that make pixels, as a file of their own.
    pub(super) fn for_decoder(&self) -> &[u8] {
        &self.for_decoder
    }

    /// Which way up the picture belongs.
    pub(super) fn orientation(&self) -> Orientation {
        self.orientation
    }

    fn take(&mut self, marker: u8, body: &[u8], limits: &Limits) -> Result<(), DecodeError> {
        match marker {
            DHT | DQT | DRI => self.keep(marker, body),
            // JFIF or Motion JPEG, and Adobe's colour transform: they decide what the components mean.
            APP0 | APP14 => self.keep(marker, body),
            APP1 if body.get(2..8) == Some(b"Exif\0\0") => self.orientation = from_exif(&body[8..]),
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

    fn keep(&mut self, marker: u8, body: &[u8]) {
        self.for_decoder.extend_from_slice(&[FILL, marker]);
        self.for_decoder.extend_from_slice(body);
    }

    /// Takes a scan with its data; answers whether the picture is whole, so that nothing more can belong to it.
    fn take_scan(&mut self, header: &[u8], data: &[u8]) -> bool {
        self.keep(SOS, header);
        self.for_decoder.extend_from_slice(data);
        self.scans += 1;
        let Some(frame) = &mut self.frame else { return false };
        frame.note_scan(header);
        !frame.progressive && frame.is_complete()
    }

    /// Ends the decoder's file. Without an end marker a progressive file counts as whole only once every coefficient
    /// has been sent to its last bit.
    fn close(&mut self, ended: bool) -> Result<(), DecodeError> {
        let frame = self.frame.as_ref().ok_or_else(|| corrupt("it ends before its frame header"))?;
        if self.scans == 0 || !(frame.is_complete() || frame.progressive && ended) {
            return Err(corrupt("it is cut off before the end of its image data"));
        }
        // zune-jpeg wants a marker right behind the first progressive scan, and none behind the last sequential one.
        if !frame.progressive || self.scans > 1 {
            self.for_decoder.extend_from_slice(ONES.as_flattened());
        }
        if frame.progressive {
            self.for_decoder.extend_from_slice(&[FILL, EOI]);
        }
        Ok(())
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
