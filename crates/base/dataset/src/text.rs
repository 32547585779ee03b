//! Texts that other programs have written, and numbers in them.

use std::path::Path;

use sightscan_types::RelativeBox;

/// A text: UTF-8 with or without its mark, or else Windows' Western letters, which is what there is besides.
pub(crate) fn decode(bytes: Vec<u8>) -> String {
    let text = String::from_utf8(bytes).unwrap_or_else(|error| latin(error.as_bytes()));
    text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text)
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// The line, from 1, that a part of a text begins in.
pub(crate) fn line_of(text: &str, part: &str) -> usize {
    // A reader's message about the end of a text may be about nothing in it.
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len());
    1 + text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count()
}

/// A value rounded to so many decimals, so that equal boxes are equal texts.
pub(crate) fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    let rounded = (value * scale).round() / scale;
    // Not minus nought.
    rounded + 0.0
}

/// Whether the path has this ending, whatever its capitals.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The box between two corners, cut to the picture. Nothing where nothing is left.
///
/// Annotation tools let people draw over the edge, and rounding does the same.
pub(crate) fn cut(x1: f64, y1: f64, x2: f64, y2: f64) -> Option<RelativeBox> {
    let [left, right] = [x1.min(x2), x1.max(x2)].map(|value| value.clamp(0.0, 1.0));
    let [top, bottom] = [y1.min(y2), y1.max(y2)].map(|value| value.clamp(0.0, 1.0));
    // Both are false for what is not a number.
    (right > left && bottom > top).then_some(RelativeBox {
        x: left,
        y: top,
        w: right - left,
        h: bottom - top,
    })
}

/// The least box around points, cut to the picture.
pub(crate) fn around(points: impl Iterator<Item = (f64, f64)>) -> Option<RelativeBox> {
    let edges = points.fold(None, |edges: Option<[f64; 4]>, (x, y)| {
        let [x1, y1, x2, y2] = edges.unwrap_or([x, y, x, y]);
        Some([x1.min(x), y1.min(y), x2.max(x), y2.max(y)])
    });
    edges.and_then(|[x1, y1, x2, y2]| cut(x1, y1, x2, y2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_other_programs_are_read() {
        assert_eq!(decode(b"\xEF\xBB\xBFK\xC3\xB6ln".to_vec()), "Köln");
        assert_eq!(decode(b"K\xF6ln".to_vec()), "Köln");
    }

    #[test]
    fn lines_count_from_one() {
        let text = "a\nb\nc";
        assert_eq!([0, 2, 4, 5].map(|start| line_of(text, &text[start..])), [1, 2, 3, 3]);
    }

    #[test]
    fn boxes_are_cut_to_the_picture_and_what_lies_outside_is_none() {
        assert_eq!(cut(-0.5, 0.25, 0.5, 2.0), Some(RelativeBox { x: 0.0, y: 0.25, w: 0.5, h: 0.75 }));
        assert_eq!(cut(0.75, 1.0, 0.25, 0.0), Some(RelativeBox { x: 0.25, y: 0.0, w: 0.5, h: 1.0 }));
        assert_eq!((cut(1.5, 0.0, 2.0, 1.0), cut(f64::NAN, 0.0, 1.0, 1.0)), (None, None));
        let corners = [(0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.25, 0.5)];
        assert_eq!(around(corners.into_iter()), Some(RelativeBox { x: 0.25, y: 0.0, w: 0.75, h: 1.0 }));
        assert_eq!(around(std::iter::empty()), None);
    }
}
