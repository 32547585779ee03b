//! What can be seen of a box.

use sightscan_types::RelativeBox;

/// Parts of a pixel: a thinner box shows nothing, and some formats would round it to none.
const THINNEST: f64 = 0.1;

/// The part of a box that is in the picture, where there is anything to be seen. What lies inside stays exactly as it is.
pub(crate) fn visible(area: RelativeBox, width: u32, height: u32) -> Option<RelativeBox> {
    let cut = |start: f64, length: f64| {
        let (start, end) = (start.clamp(0.0, 1.0), (start + length).clamp(0.0, 1.0));
        (start, end - start)
    };
    let ((x, w), (y, h)) = (cut(area.x, area.w), cut(area.y, area.h));
    let area = if area.is_valid() { area } else { RelativeBox { x, y, w, h } };
    let is_seen = |length: f64, pixels: u32| length * f64::from(pixels) >= THINNEST;
    (is_seen(area.w, width) && is_seen(area.h, height)).then_some(area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn boxes_are_cut_to_the_picture_and_what_shows_nothing_is_left_out() {
        let area = |x, y, w, h| RelativeBox { x, y, w, h };
        assert_eq!(visible(area(-0.5, 0.25, 1.0, 2.0), 100, 100), Some(area(0.0, 0.25, 0.5, 0.75)));
        for nothing in [
            area(0.5, 0.5, 0.0, 0.5),
            area(0.5, 0.5, -0.1, 0.5),
            area(1.5, 0.5, 0.2, 0.5),
            area(0.5, 0.5, 0.5, 0.000_5),
            area(f64::NAN, 0.5, 0.5, 0.5),
            area(0.5, 0.5, 0.5, f64::INFINITY * 0.0),
        ] {
            assert_eq!(visible(nothing, 100, 100), None, "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_of_a_box_is_one_that_formats_hold(x in -2.0..2.0f64, y in -2.0..2.0f64, w in -1.0..3.0f64, h in 0.0..3.0f64) {
            let area = RelativeBox { x, y, w, h };
            if let Some(left) = visible(area, 640, 480) {
                prop_assert!(left.is_valid(), "{left:?}");
            }
        }
    }
}
