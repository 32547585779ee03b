//! Boxes and how they overlap.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An axis-aligned box in pixels; the origin is the top left corner of the upright picture, y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PixelBox {
    /// Distance of the left edge from the picture's left edge.
    pub left: f32,
    /// Distance of the top edge from the picture's top edge.
    pub top: f32,
    /// Width in pixels, never negative.
    pub width: f32,
    /// Height in pixels, never negative.
    pub height: f32,
}

impl PixelBox {
    /// Makes a box from two opposite corners, given in any order.
    pub fn from_corners(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { left: x1.min(x2), top: y1.min(y2), width: (x2 - x1).abs(), height: (y2 - y1).abs() }
    }

    /// Distance of the right edge from the picture's left edge.
    pub fn right(&self) -> f32 {
        self.left + self.width
    }

    /// Distance of the bottom edge from the picture's top edge.
    pub fn bottom(&self) -> f32 {
        self.top + self.height
    }

    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Area that both boxes cover, in square pixels.
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = self.right().min(other.right()) - self.left.max(other.left);
        let height = self.bottom().min(other.bottom()) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union (the Jaccard index), 0 for disjoint or empty boxes, 1 for equal ones.
    pub fn iou(&self, other: &Self) -> f32 {
        let intersection = self.intersection(other);
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { intersection / union } else { 0.0 }
    }

    /// The part of the box that lies inside a picture of this size.
    pub fn clamp_to(&self, width: u32, height: u32) -> Self {
        let (width, height) = (width as f32, height as f32);
        Self::from_corners(
            self.left.clamp(0.0, width),
            self.top.clamp(0.0, height),
            self.right().clamp(0.0, width),
            self.bottom().clamp(0.0, height),
        )
    }
}

/// A box relative to its image: 0 to 1, the origin is the top left corner, y grows downwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RelativeBox {
    /// Left edge, as a part of the image's width.
    pub x: f64,
    /// Top edge, as a part of the image's height.
    pub y: f64,
    /// Width, as a part of the image's.
    pub w: f64,
    /// Height, as a part of the image's.
    pub h: f64,
}

impl RelativeBox {
    /// From the original's form: the upper left and the lower right corner with **y upwards** from the bottom left.
    pub fn from_legacy(ul_x: f64, ul_y: f64, lr_x: f64, lr_y: f64) -> Self {
        Self { x: ul_x.min(lr_x), y: 1.0 - ul_y.max(lr_y), w: (lr_x - ul_x).abs(), h: (ul_y - lr_y).abs() }
    }

    /// The original's form `[ul_x, ul_y, lr_x, lr_y]`, y upwards, rounded to five decimals.
    pub fn to_legacy(self) -> [f64; 4] {
        [self.x, 1.0 - self.y, self.x + self.w, 1.0 - self.y - self.h]
            .map(|value| (value * 1e5).round() / 1e5)
    }

    /// Whether it is a box that lies in its image; rounding may put an edge out by a hundred-thousandth.
    pub fn is_valid(self) -> bool {
        let inside = |value: f64| (-1e-5..=1.0 + 1e-5).contains(&value);
        let edges = [self.x, self.y, self.w, self.h, self.x + self.w, self.y + self.h];
        edges.into_iter().all(inside) && self.w > 0.0 && self.h > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn boxes() -> impl Strategy<Value = PixelBox> {
        (-500.0..1500.0f32, -500.0..1500.0f32, 0.0..800.0f32, 0.0..800.0f32)
            .prop_map(|(left, top, width, height)| PixelBox { left, top, width, height })
    }

    #[test]
    fn iou_of_half_overlapping_squares_is_a_third() {
        let a = PixelBox::from_corners(0.0, 0.0, 2.0, 2.0);
        let b = PixelBox::from_corners(1.0, 0.0, 3.0, 2.0);
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn touching_boxes_do_not_overlap() {
        let a = PixelBox::from_corners(0.0, 0.0, 2.0, 2.0);
        let b = PixelBox::from_corners(2.0, 0.0, 3.0, 2.0);
        assert_eq!(a.iou(&b), 0.0);
    }

    #[test]
    fn empty_boxes_have_no_overlap_even_with_themselves() {
        let empty = PixelBox::from_corners(5.0, 5.0, 5.0, 5.0);
        assert_eq!(empty.iou(&empty), 0.0);
    }

    #[test]
    fn a_box_of_the_original_is_turned_over() {
        let relative = RelativeBox::from_legacy(0.135, 0.725, 0.825, 0.015);
        assert!((relative.y - 0.275).abs() < 1e-9 && (relative.h - 0.71).abs() < 1e-9, "{relative:?}");
        assert_eq!(relative.to_legacy(), [0.135, 0.725, 0.825, 0.015]);
        assert!(relative.is_valid() && RelativeBox::from_legacy(0.0, 1.0, 1.0, 0.0).is_valid());
        assert!(!RelativeBox::from_legacy(0.5, 0.5, 0.5, 0.9).is_valid(), "it has no width");
        assert!(!RelativeBox { x: f64::NAN, y: 0.0, w: 0.5, h: 0.5 }.is_valid());
    }

    proptest! {
        #[test]
        fn the_original_form_and_back_is_the_same_box(x in 0.0..0.5f64, y in 0.0..0.5f64, w in 0.01..0.5f64, h in 0.01..0.5f64) {
            let [ul_x, ul_y, lr_x, lr_y] = RelativeBox { x, y, w, h }.to_legacy();
            let back = RelativeBox::from_legacy(ul_x, ul_y, lr_x, lr_y);
            for (one, other) in [(x, back.x), (y, back.y), (w, back.w), (h, back.h)] {
                prop_assert!((one - other).abs() < 2e-5);
            }
        }

        #[test]
        fn iou_is_symmetric_and_between_zero_and_one(a in boxes(), b in boxes()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0001).contains(&iou));
            prop_assert!((iou - b.iou(&a)).abs() < 1e-4);
        }

        #[test]
        fn clamped_boxes_lie_inside_and_never_grow(a in boxes(), w in 1u32..2000, h in 1u32..2000) {
            let clamped = a.clamp_to(w, h);
            prop_assert!(clamped.left >= 0.0 && clamped.top >= 0.0);
            prop_assert!(clamped.right() <= w as f32 + 0.01 && clamped.bottom() <= h as f32 + 0.01);
            prop_assert!(clamped.area() <= a.area() * 1.0001 + 0.1);
        }
    }
}
