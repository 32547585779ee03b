//! JPEG: the segments that the decoder needs, the colour profile, and a new Exif segment for the orientation.

use image::metadata::Orientation;

use crate::decode::jpeg::segments::{APP0, APP1, APP14, EOI, FILL, SOI, Segment, Segments};
use crate::decode::orientation::to_exif;
use crate::decode::{DecodeError, Limits};

pub(super) fn strip(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let segments = Segments::read(bytes, &Limits::NONE)?;
    let mut file = vec![FILL, SOI];
    let mut kept = segments.kept().iter().peekable();
    // JFIF comes first by its definition, Exif after it.
    while let Some(segment) = kept.next_if(|segment| segment.marker == APP0) {
        write(segment, &mut file);
    }
    write_orientation(segments.orientation(), &mut file);
    kept.for_each(|segment| write(segment, &mut file));
    file.extend_from_slice(&[FILL, EOI]);
    Ok(file)
}

fn write(segment: &Segment<'_>, file: &mut Vec<u8>) {
    let content = segment.body.get(2..).unwrap_or_default();
    match segment.marker {
        APP0 => write_application(APP0, &application_header(content), file),
        // The colour transform is the last of twelve bytes (Adobe Technical Note 5116).
        APP14 if content.starts_with(b"Adobe") => {
            write_application(APP14, content.get(..12).unwrap_or_default(), file);
        }
        APP14 => {}
        _ => segment.write(file),
    }
}

/// JFIF's header without its thumbnail (T.871, section 10.1) and Motion JPEG's; nothing for thumbnails in segments
/// of their own.
fn application_header(content: &[u8]) -> Vec<u8> {
    match content {
        [b'J', b'F', b'I', b'F', 0, ..] if content.len() >= 14 => [&content[..12], &[0, 0]].concat(),
        [b'A', b'V', b'I', b'1', ..] => content[..content.len().min(14)].to_vec(),
        _ => Vec::new(),
    }
}

fn write_orientation(orientation: Orientation, file: &mut Vec<u8>) {
    if orientation != Orientation::NoTransforms {
        write_application(APP1, &[b"Exif\0\0".as_slice(), &to_exif(orientation)].concat(), file);
    }
}

/// Writes a short segment, or none where it would be empty.
fn write_application(marker: u8, content: &[u8], file: &mut Vec<u8>) {
    if !content.is_empty() {
        file.extend_from_slice(&[FILL, marker, 0, content.len() as u8 + 2]);
        file.extend_from_slice(content);
    }
}
