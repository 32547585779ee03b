//! A triumphal arch: a heavy block of stone with one way through it or three, an attic on top.

use super::{Axis, Dice, Material, Sketch, Spot, opening, pierced};

/// How one arch differs from another.
struct Build {
    half: f32,
    deep: f32,
    /// The width of the way through the middle and its height.
    way: (f32, f32),
    /// The width of those on both sides, if there are any.
    beside: Option<f32>,
    /// Where the attic begins.
    cornice: f32,
    has_columns: bool,
}

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let beside = dice.chance(0.35).then(|| dice.within(0.13..0.17));
    let half = if beside.is_some() { dice.within(0.52..0.66) } else { dice.within(0.4..0.52) };
    let build = Build {
        half,
        deep: dice.within(0.14..0.22),
        way: (dice.within(0.32..0.4), dice.within(0.54..0.63)),
        beside,
        cornice: dice.within(0.68..0.74),
        has_columns: beside.is_some() || dice.chance(0.4),
    };
    pierced(sketch, build.half, (0.0, 1.0), build.deep, &build.openings());
    draw_side(sketch, &build);
    draw_reliefs(sketch, &build);
    if build.has_columns {
        draw_columns(sketch, &build);
    }
    ledge(sketch, &build, (build.cornice, build.cornice + 0.04), 0.03);
    ledge(sketch, &build, (0.955, 1.0), 0.035);
    draw_attic(sketch, &build);
}

impl Build {
    fn openings(&self) -> Vec<Vec<Spot>> {
        let (width, height) = self.way;
        let mut openings = vec![opening([0.0, 0.0, -self.deep], self.way, width / 2.0)];
        if let Some(wide) = self.beside {
            let middle = (self.half + width / 2.0) / 2.0;
            let small = (wide, height * 0.66);
            openings.extend([-middle, middle].map(|x| opening([x, 0.0, -self.deep], small, wide / 2.0)));
        }
        openings
    }

    /// The middles of the piers, from left to right.
    fn piers(&self) -> Vec<f32> {
        let inner = self.way.0 / 2.0;
        match self.beside {
            None => vec![-(self.half + inner) / 2.0, (self.half + inner) / 2.0],
            Some(wide) => {
                let middle = (self.half + inner) / 2.0;
                let (outer, inner) =
                    ((self.half + middle + wide / 2.0) / 2.0, (inner + middle - wide / 2.0) / 2.0);
                vec![-outer, -inner, inner, outer]
            }
        }
    }
}

/// A band around all of it, so far out.
fn ledge(sketch: &mut Sketch, build: &Build, (low, high): (f32, f32), out: f32) {
    let (half, deep) = (build.half + out, build.deep + out);
    sketch.block([-half, low, -deep], [half, high, deep], Material::Trim);
}

/// The way through from side to side, in the dark.
fn draw_side(sketch: &mut Sketch, build: &Build) {
    let wide = build.deep * 0.9;
    let contour = opening([0.0; 3], (wide, build.way.1 * 0.62), wide / 2.0);
    let corners: Vec<Spot> = contour.iter().map(|[across, y, _]| [build.half, *y, *across]).collect();
    sketch.face(&corners, Material::Dark);
}

/// Sculptures on the piers and a row of panels on the attic.
fn draw_reliefs(sketch: &mut Sketch, build: &Build) {
    if build.beside.is_none() {
        for middle in build.piers() {
            let wide = (build.half - build.way.0 / 2.0) * 0.45;
            sketch.pane([middle - wide / 2.0, 0.16, -build.deep], (wide, 0.22), Material::Trim);
            sketch.pane([middle - wide / 2.0, 0.46, -build.deep], (wide, 0.13), Material::Trim);
        }
    }
    let half = build.half * 0.62;
    sketch.pane([-half, build.cornice + 0.08, -build.deep], (half * 2.0, 0.1), Material::Trim);
}

/// A column before each pier, on a pedestal.
fn draw_columns(sketch: &mut Sketch, build: &Build) {
    for x in build.piers() {
        let z = -build.deep - 0.03;
        sketch.block([x - 0.035, 0.0, z - 0.03], [x + 0.035, 0.16, z + 0.03], Material::Trim);
        let axis = Axis { x, z, sides: 8 };
        sketch.lathe(axis, &[(0.16, 0.024), (build.cornice, 0.02)], Material::Trim);
    }
}

/// Dark gaps under the cornice, which look like shadows and dentils.
fn draw_attic(sketch: &mut Sketch, build: &Build) {
    let (half, z) = (build.half + 0.03, -build.deep - 0.03);
    sketch.pane([-half, build.cornice - 0.006, z], (half * 2.0, 0.01), Material::Dark);
}
