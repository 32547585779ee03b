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

    proptest! {
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
