//! A sheet that is painted on: outlines that are filled, and sheets laid on sheets.

use tiny_skia::{Color, FillRule, Paint, PathBuilder, PixmapMut, Rect, Shader, Transform};

use super::colour::Colour;

/// A place on a sheet in pixels: x to the right, y downwards from the top left.
pub(super) type Point = (f32, f32);

/// Shapes that are filled together.
#[derive(Debug, Clone, Default)]
pub(super) struct Outline(PathBuilder);

impl Outline {
    /// A surface with straight edges.
    pub(super) fn polygon(&mut self, points: impl IntoIterator<Item = Point>) -> &mut Self {
        let mut points = points.into_iter();
        if let Some((x, y)) = points.next() {
            self.0.move_to(x, y);
            points.for_each(|(x, y)| self.0.line_to(x, y));
            self.0.close();
        }
        self
    }

    /// An upright rectangle from its top left corner.
    pub(super) fn rectangle(&mut self, corner: Point, width: f32, height: f32) -> &mut Self {
        let (left, top) = corner;
        let (right, bottom) = (left + width, top + height);
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)])
    }

    /// An upright ellipse.
    pub(super) fn ellipse(&mut self, centre: Point, across: f32, down: f32) -> &mut Self {
        let (x, y) = centre;
        if let Some(bounds) = Rect::from_ltrb(x - across, y - down, x + across, y + down) {
            self.0.push_oval(bounds);
        }
        self
    }

    /// A straight line. All lines turn the same way, so that none takes away from another.
    pub(super) fn line(&mut self, from: Point, to: Point, width: f32) -> &mut Self {
        let (along, up) = (to.0 - from.0, to.1 - from.1);
        let length = (along * along + up * up).sqrt();
        if length < 1e-3 {
            return self;
        }
        let (x, y) = (-up / length * width / 2.0, along / length * width / 2.0);
        let corners = [(from, 1.0), (to, 1.0), (to, -1.0), (from, -1.0)];
        self.polygon(corners.map(|(end, side)| (end.0 + x * side, end.1 + y * side)))
    }
}

/// Pixels from a left one and a top one to a right one and a bottom one, which are no longer part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Area {
    /// All that lies between two corners and on the sheet, with a pixel around it.
    pub(super) fn around(from: Point, to: Point, canvas: &Canvas) -> Self {
        let within = |value: f32, most: usize| (value.max(0.0) as usize).min(most);
        Self {
            left: within(from.0 - 1.0, canvas.width),
            top: within(from.1 - 1.0, canvas.height),
            right: within(to.0 + 2.0, canvas.width),
            bottom: within(to.1 + 2.0, canvas.height),
        }
    }

    /// Width and height in pixels.
    pub(super) fn size(self) -> (usize, usize) {
        (self.right.saturating_sub(self.left), self.bottom.saturating_sub(self.top))
    }
}

/// Pixels of red, green, blue and opacity, row after row from the top left; colours are multiplied by the opacity.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<[u8; 4]>,
}

impl Canvas {
    /// A sheet that is transparent everywhere.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0; 4]; width * height] }
    }

    /// Fills all shapes with one colour.
    pub(super) fn fill(&mut self, outline: Outline, colour: Colour, opacity: f32) {
        self.paint(outline, FillRule::Winding, colour, opacity);
    }

    /// Fills what lies in an odd number of the shapes: a shape in a shape is a hole.
    pub(super) fn fill_around_holes(&mut self, outline: Outline, colour: Colour) {
        self.paint(outline, FillRule::EvenOdd, colour, 1.0);
    }

    fn paint(&mut self, outline: Outline, rule: FillRule, colour: Colour, opacity: f32) {
        let (width, height) = (self.width as u32, self.height as u32);
        let bytes = self.pixels.as_flattened_mut();
        let Some((path, mut sheet)) = outline.0.finish().zip(PixmapMut::from_bytes(bytes, width, height))
        else {
            return;
        };
        let [red, green, blue] = colour.bytes();
        let colour = Color::from_rgba8(red, green, blue, (opacity * 255.0) as u8);
        let paint = Paint { shader: Shader::SolidColor(colour), ..Paint::default() };
        sheet.fill_path(&path, &paint, rule, Transform::identity(), None);
    }

    /// The pixels of one row.
    pub(super) fn row(&mut self, y: usize) -> &mut [[u8; 4]] {
        let start = y.min(self.height) * self.width;
        let end = (start + self.width).min(self.pixels.len());
        &mut self.pixels[start..end]
    }

    /// Makes an area transparent.
    pub(super) fn clear(&mut self, area: Area) {
        for y in area.top..area.bottom {
            self.row(y)[area.left..area.right.max(area.left)].fill([0; 4]);
        }
    }

    /// The smallest area that holds every pixel of at least this opacity; `None` where there is none.
    pub(super) fn bounds(&self, within: Area, opacity: u8) -> Option<Area> {
        let mut bounds: Option<Area> = None;
        for y in within.top..within.bottom {
            let row = &self.pixels[y * self.width..(y + 1) * self.width];
            let is_there = |x: &usize| row[*x][3] >= opacity;
            let first = (within.left..within.right).find(is_there);
            let last = (within.left..within.right).rfind(is_there);
            if let Some((first, last)) = first.zip(last) {
                let known = bounds.unwrap_or(Area { left: first, top: y, right: last, bottom: y });
                let (left, right) = (known.left.min(first), known.right.max(last + 1));
                bounds = Some(Area { left, top: known.top, right, bottom: y + 1 });
            }
        }
        bounds
    }

    /// Lays an area of another sheet of the same size on this one. Each of its pixels is given its colour by `finish`.
    pub(super) fn lay(&mut self, layer: &Self, area: Area, finish: impl Fn(usize, usize, Colour) -> Colour) {
        for y in area.top..area.bottom {
            for x in area.left..area.right {
                let [red, green, blue, opacity] = layer.pixels[y * layer.width + x];
                if opacity > 0 {
                    let part = 255.0 / f32::from(opacity);
                    let seen = finish(x, y, Colour::of_bytes([red, green, blue]).scaled(part));
                    self.blend(x, y, seen, f32::from(opacity) / 255.0);
                }
            }
        }
    }

    /// Puts a colour on a pixel that is opaque.
    pub(super) fn blend(&mut self, x: usize, y: usize, colour: Colour, opacity: f32) {
        if let Some(pixel) = self.pixels.get_mut(y * self.width + x) {
            let under = Colour::of_bytes([pixel[0], pixel[1], pixel[2]]);
            let [red, green, blue] = under.mixed(colour, opacity).bytes();
            *pixel = [red, green, blue, 255];
        }
    }
}

#[cfg(test)]
impl Area {
    /// What both have in common.
    pub(super) fn shared(self, other: Self) -> Self {
        Self {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }
}

#[cfg(test)]
impl Canvas {
    /// The whole sheet.
    pub(super) fn area(&self) -> Area {
        Area { left: 0, top: 0, right: self.width, bottom: self.height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_what_was_filled_are_found() {
        let mut canvas = Canvas::new(20, 10);
        assert_eq!(canvas.bounds(canvas.area(), 1), None);
        let mut outline = Outline::default();
        outline.rectangle((3.0, 2.0), 5.0, 4.0);
        canvas.fill(outline, Colour::hex(0xFF0000), 1.0);
        let filled = Area { left: 3, top: 2, right: 8, bottom: 6 };
        assert_eq!(canvas.bounds(canvas.area(), 1), Some(filled));
        canvas.clear(filled);
        assert_eq!(canvas.bounds(canvas.area(), 1), None);
    }

    #[test]
    fn what_lies_outside_the_sheet_is_left_out() {
        let mut canvas = Canvas::new(8, 8);
        let mut outline = Outline::default();
        outline.rectangle((-50.0, 4.0), 500.0, 90.0).line((2.0, 2.0), (2.0, 2.0), 3.0);
        canvas.fill(outline, Colour::hex(0), 1.0);
        assert_eq!(canvas.bounds(canvas.area(), 255), Some(Area { left: 0, top: 4, right: 8, bottom: 8 }));
        assert_eq!(Area::around((-9.0, -9.0), (90.0, 90.0), &canvas), canvas.area());
        assert_eq!(Area::around((30.0, 30.0), (50.0, 50.0), &canvas).size(), (0, 0));
    }

    #[test]
    fn a_layer_covers_as_far_as_it_is_opaque() {
        let (mut below, mut above) = (Canvas::new(1, 2), Canvas::new(1, 2));
        below.pixels.fill([0, 0, 0, 255]);
        above.pixels[1] = [128, 0, 0, 128];
        let area = below.area();
        below.lay(&above, area, |_, _, colour| colour);
        assert_eq!(below.pixels, [[0, 0, 0, 255], [128, 0, 0, 255]]);
    }
}
