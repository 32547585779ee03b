//! Solids and lines in space, drawn as somebody sees them.

use super::canvas::{Canvas, Outline, Point};
use super::dice::{cosine, sine};
use super::materials::{Material, Paints};
use super::view::{Spot, View, pairs};

/// A surface or lines in the picture: 1 is the landmark's height.
#[derive(Debug, Clone)]
struct Part {
    shape: Shape,
    material: Material,
    /// How much direct light it gets, from 0 to 1.
    light: f32,
}

#[derive(Debug, Clone)]
enum Shape {
    /// A surface; all contours after the first one are holes.
    Surface(Vec<Vec<Point>>),
    /// From, to and width.
    Lines(Vec<(Point, Point, f32)>),
}

/// A line of this many pixels is the thinnest one: those that are thinner would break up.
const THINNEST: f32 = 0.7;

/// Where a drawing is put: pixels for a landmark's height, and the pixel that its foot stands on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) scale: f32,
    pub(super) foot: Point,
}

impl Place {
    /// The pixel of a point.
    pub(super) fn pixel(self, (x, y): Point) -> Point {
        (self.foot.0 + x * self.scale, self.foot.1 + y * self.scale)
    }
}

/// A drawing of something in space. What is drawn later covers what was drawn before.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    view: View,
    parts: Vec<Part>,
}

/// An upright axis that something is turned around, as on a lathe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) x: f32,
    pub(super) z: f32,
    /// Into how many flat sides the round is divided.
    pub(super) sides: usize,
}

impl Axis {
    /// A place at a height and a distance from the axis; `step` counts sides, the first one faces the viewer.
    pub(super) fn spot(self, step: f32, height: f32, radius: f32) -> Spot {
        let angle = (step - 0.5) / self.sides as f32 - 0.25;
        [self.x + radius * cosine(angle), height, self.z + radius * sine(angle)]
    }
}

impl Sketch {
    /// An empty one.
    pub(super) fn new(view: View) -> Self {
        Self { view, parts: Vec::new() }
    }

    /// A flat surface by its corners, anticlockwise from outside. It is seen from there only.
    pub(super) fn face(&mut self, corners: &[Spot], material: Material) {
        self.face_with_holes(&[corners], material);
    }

    /// A flat surface and the holes in it.
    pub(super) fn face_with_holes(&mut self, contours: &[&[Spot]], material: Material) {
        let seen = |contour: &&[Spot]| contour.iter().map(|spot| self.view.point(*spot)).collect::<Vec<_>>();
        let points: Vec<Vec<Point>> = contours.iter().map(seen).collect();
        if let Some((outer, corners)) = points.first().zip(contours.first())
            && self.view.faces_viewer(outer)
        {
            let light = self.view.light_on(corners);
            self.parts.push(Part { shape: Shape::Surface(points), material, light });
        }
    }

    /// An upright rectangle that faces the front: a window, a door.
    pub(super) fn pane(&mut self, low: Spot, (width, height): Point, material: Material) {
        let [x, y, z] = low;
        let corners = [[x, y, z], [x + width, y, z], [x + width, y + height, z], [x, y + height, z]];
        self.face(&corners, material);
    }

    /// A box from its corner at the lower left in front to that at the upper right behind.
    pub(super) fn block(&mut self, low: Spot, high: Spot, material: Material) {
        let middle = [0, 2].map(|axis| (low[axis] + high[axis]) / 2.0);
        let halves = [0, 2].map(|axis| (high[axis] - low[axis]) / 2.0);
        self.frustum(middle, (low[1], halves), (high[1], halves), material);
    }

    /// A box that narrows or widens upwards: around a middle (x and z), from one height to another with half its width
    /// and depth at each.
    pub(super) fn frustum(
        &mut self,
        [x, z]: [f32; 2],
        low: (f32, [f32; 2]),
        high: (f32, [f32; 2]),
        material: Material,
    ) {
        let ring = |(y, [across, deep]): (f32, [f32; 2])| {
            [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
                .map(|(side, depth): (f32, f32)| [x + side * across, y, z + depth * deep])
        };
        let (lower, upper) = (ring(low), ring(high));
        for ((one, next), (above, next_above)) in pairs(&lower).zip(pairs(&upper)) {
            self.face(&[one, next, next_above, above], material);
        }
        self.face(&upper, material);
    }

    /// Something round, by its radius at each height from the bottom to the top.
    pub(super) fn lathe(&mut self, axis: Axis, profile: &[(f32, f32)], material: Material) {
        for (&(low, wide), &(high, narrow)) in profile.iter().zip(profile.iter().skip(1)) {
            for side in 0..axis.sides {
                let (left, right) = (side as f32, side as f32 + 1.0);
                let corners =
                    [(left, low, wide), (right, low, wide), (right, high, narrow), (left, high, narrow)];
                self.face(&corners.map(|(step, height, radius)| axis.spot(step, height, radius)), material);
            }
        }
        if let Some(&(height, radius)) = profile.last() {
            let rim: Vec<Spot> = (0..axis.sides).map(|side| axis.spot(side as f32, height, radius)).collect();
            self.face(&rim, material);
        }
    }

    /// Straight lines of one width.
    pub(super) fn lines(&mut self, lines: &[(Spot, Spot)], width: f32, material: Material) {
        let seen = |(from, to): &(Spot, Spot)| (self.view.point(*from), self.view.point(*to), width);
        let shape = Shape::Lines(lines.iter().map(seen).collect());
        self.parts.push(Part { shape, material, light: 0.55 });
    }

    /// The corners between which everything lies: the top left and the bottom right one.
    pub(super) fn extent(&self) -> (Point, Point) {
        let mut extent = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        let mut take = |(x, y): Point| {
            extent.0 = (extent.0.0.min(x), extent.0.1.min(y));
            extent.1 = (extent.1.0.max(x), extent.1.1.max(y));
        };
        for part in &self.parts {
            match &part.shape {
                Shape::Surface(contours) => contours.iter().flatten().for_each(|point| take(*point)),
                Shape::Lines(lines) => lines.iter().for_each(|(from, to, _)| {
                    take(*from);
                    take(*to);
                }),
            }
        }
        extent
    }

    /// Paints it on a sheet.
    pub(super) fn paint(&self, canvas: &mut Canvas, place: Place, paints: &Paints) {
        for part in &self.parts {
            let mut outline = Outline::default();
            match &part.shape {
                Shape::Surface(contours) => contours.iter().for_each(|contour| {
                    outline.polygon(contour.iter().map(|point| place.pixel(*point)));
                }),
                Shape::Lines(lines) => lines.iter().for_each(|(from, to, width)| {
                    outline.line(place.pixel(*from), place.pixel(*to), (width * place.scale).max(THINNEST));
                }),
            }
            match part.shape {
                Shape::Surface(_) => canvas.fill_around_holes(outline, paints.lit(part.material, part.light)),
                Shape::Lines(_) => canvas.fill(outline, paints.lit(part.material, part.light), 1.0),
            }
        }
    }
}

/// The contour of an opening with a round or pointed top in a front, anticlockwise: around the middle `x`, from the
/// height `y` on, in the plane `z`. A `rise` of half the width is round, more is pointed upwards.
pub(super) fn opening([x, y, z]: Spot, (width, height): Point, rise: f32) -> Vec<Spot> {
    const STEPS: usize = 10;
    let spring = y + height - rise;
    let curve = (0..=STEPS).map(|step| {
        let angle = step as f32 / STEPS as f32 / 2.0;
        [x + width / 2.0 * cosine(angle), spring + rise * sine(angle), z]
    });
    let feet = [[x - width / 2.0, y, z], [x + width / 2.0, y, z]];
    feet.into_iter().chain(curve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::dice::Dice;

    fn sketch() -> Sketch {
        Sketch::new(View::any(0.5, 1e-9, [0.0, 0.0, -1.0], &mut Dice::new(3)))
    }

    #[test]
    fn of_a_box_seen_from_the_front_the_back_is_not_drawn() {
        let mut sketch = sketch();
        sketch.block([-0.2, 0.0, -0.2], [0.2, 1.0, 0.2], Material::Wall);
        assert!((1..=3).contains(&sketch.parts.len()), "{} faces", sketch.parts.len());
        let (from, to) = sketch.extent();
        assert!((to.1 - from.1 - 1.0).abs() < 0.2 && (to.0 - from.0 - 0.4).abs() < 0.15);
    }

    #[test]
    fn of_what_is_round_about_half_is_seen() {
        let mut sketch = sketch();
        sketch.lathe(Axis { x: 0.0, z: 0.0, sides: 16 }, &[(0.0, 0.3), (1.0, 0.1)], Material::Wall);
        assert!((6..=10).contains(&sketch.parts.len()), "{} faces", sketch.parts.len());
    }

    #[test]
    fn openings_are_as_wide_and_high_as_asked() {
        let contour = opening([0.5, 0.1, 0.0], (0.4, 0.6), 0.2);
        let (low, high) = contour
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), spot| (low.min(spot[1]), high.max(spot[1])));
        assert!((low - 0.1).abs() < 1e-6 && (high - 0.7).abs() < 1e-3);
    }
}
