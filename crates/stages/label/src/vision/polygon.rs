//! A polygon in pixels as a box.

use serde::Deserialize;
use sightscan_types::RelativeBox;

/// A corner of a polygon. What is 0 is left away, as Google's JSON does with all that has its default.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Vertex {
    #[serde(default)]
    pub(super) x: f64,
    #[serde(default)]
    pub(super) y: f64,
}

/// Why a polygon has no box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoBox {
    #[error("its outline has no corners")]
    NoCorners,
    #[error("its outline covers nothing of the picture")]
    Empty,
}

/// The smallest box around a polygon, as far as it lies in a picture of this size.
pub(super) fn around(corners: &[Vertex], width: u32, height: u32) -> Result<RelativeBox, NoBox> {
    if corners.is_empty() {
        return Err(NoBox::NoCorners);
    }
    let (left, right) = range(corners.iter().map(|corner| corner.x), width);
    let (top, bottom) = range(corners.iter().map(|corner| corner.y), height);
    let area = RelativeBox { x: left, y: top, w: right - left, h: bottom - top };
    if area.is_valid() { Ok(area) } else { Err(NoBox::Empty) }
}

/// From where to where, as parts of a side.
fn range(values: impl Iterator<Item = f64>, side: u32) -> (f64, f64) {
    let parts = values.map(|value| (value / f64::from(side)).clamp(0.0, 1.0));
    parts.fold((1.0, 0.0), |(least, most): (f64, f64), part| (least.min(part), most.max(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn corners(json: &str) -> Vec<Vertex> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn row_22_boxes_are_relative_to_the_picture_and_have_five_decimals_in_the_old_form() {
        let corners = corners(r#"[{"x":100,"y":200},{"x":300,"y":200},{"x":300,"y":250},{"x":100,"y":250}]"#);
        let area = around(&corners, 1337, 1338).unwrap();
        assert_eq!(area.to_legacy(), [0.07479, 0.85052, 0.22438, 0.81315]);
    }

    #[test]
    fn w_c9_a_missing_coordinate_is_zero() {
        let corners = corners(r#"[{},{"x":50},{"x":50,"y":20},{"y":20}]"#);
        assert_eq!(around(&corners, 100, 40), Ok(RelativeBox { x: 0.0, y: 0.0, w: 0.5, h: 0.5 }));
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let corners = corners(r#"[{"x":-5,"y":10},{"x":120,"y":-3},{"x":60,"y":30}]"#);
        assert_eq!(around(&corners, 100, 40), Ok(RelativeBox { x: 0.0, y: 0.0, w: 1.0, h: 0.75 }));
    }

    #[test]
    fn outlines_that_cover_nothing_have_no_box() {
        for json in [r#"[{"x":5,"y":5}]"#, r#"[{"x":5},{"x":5,"y":9}]"#, r#"[{"x":200},{"x":300,"y":9}]"#] {
            assert_eq!(around(&corners(json), 100, 40), Err(NoBox::Empty), "{json}");
        }
        assert_eq!(around(&[], 100, 40), Err(NoBox::NoCorners));
        assert_eq!(around(&corners(r#"[{"x":5},{"x":9,"y":9}]"#), 0, 0), Err(NoBox::Empty));
    }

    proptest! {
        #[test]
        fn a_box_is_in_its_picture_and_holds_the_corners_that_are(
            points in prop::collection::vec((-50..150_i32, -50..150_i32), 0..9), width in 1..100_u32, height in 1..100_u32,
        ) {
            let corners: Vec<Vertex> = points.iter().map(|&(x, y)| Vertex { x: x.into(), y: y.into() }).collect();
            let Ok(area) = around(&corners, width, height) else { return Ok(()) };
            prop_assert!(area.is_valid(), "{area:?}");
            for Vertex { x, y } in corners {
                let (x, y) = (x / f64::from(width), y / f64::from(height));
                let is_inside = (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
                let is_held = x >= area.x && x <= area.x + area.w + 1e-9 && y >= area.y && y <= area.y + area.h + 1e-9;
                prop_assert!(is_held || !is_inside);
            }
        }
    }
}
