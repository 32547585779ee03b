//! A city gate: two stout towers with pointed roofs or battlements, and a low wall with a way through it between them.

use std::f32::consts::FRAC_1_SQRT_2;

use super::{Axis, Dice, Material, Sketch, Spot, opening, pierced};

/// How one gate differs from another.
struct Build {
    /// How far from the middle the towers stand, and their radius.
    apart: f32,
    radius: f32,
    /// Where the roofs or battlements of the towers begin.
    eaves: f32,
    has_roofs: bool,
    is_round: bool,
    /// How high the wall between them is.
    wall: f32,
    /// The way through: its width and height.
    way: (f32, f32),
    is_pointed: bool,
    is_open: bool,
}

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let (has_roofs, radius) = (dice.chance(0.65), dice.within(0.14..0.19));
    let apart = radius + dice.within(0.15..0.24);
    let wide = (apart - radius) * 2.0;
    let build = Build {
        apart,
        radius,
        eaves: if has_roofs { dice.within(0.58..0.68) } else { 0.93 },
        has_roofs,
        is_round: dice.chance(0.7),
        wall: dice.within(0.42..0.54),
        way: (wide * dice.within(0.6..0.8), dice.within(0.26..0.33)),
        is_pointed: dice.chance(0.5),
        is_open: dice.chance(0.6),
    };
    draw_wall(sketch, &build);
    draw_tower(sketch, &build, -build.apart);
    draw_tower(sketch, &build, build.apart);
}

fn draw_wall(sketch: &mut Sketch, build: &Build) {
    let (half, deep) = (build.apart, build.radius * 0.55);
    let (width, height) = build.way;
    let rise = if build.is_pointed { width * 0.85 } else { width / 2.0 };
    let contour = opening([0.0, 0.0, -deep], (width, height), rise.min(height * 0.9));
    if build.is_open {
        pierced(sketch, half, (0.0, build.wall), deep, std::slice::from_ref(&contour));
    } else {
        pierced(sketch, half, (0.0, build.wall), deep, &[]);
        sketch.face(&contour, Material::Dark);
    }
    let bars: Vec<_> = (1..6).map(|bar| width * (bar as f32 / 6.0 - 0.5)).collect();
    let bars: Vec<_> =
        bars.iter().map(|x| ([*x, height * 0.55, -deep], [*x, height * 0.92, -deep])).collect();
    sketch.lines(&bars, 0.008, Material::Dark);
    let count = 5;
    let step = (build.apart - build.radius) * 2.0 / count as f32;
    for merlon in 0..count {
        let left = -half + build.radius + step * (merlon as f32 + 0.2);
        sketch.block(
            [left, build.wall, -deep],
            [left + step * 0.6, build.wall + 0.05, -deep + 0.04],
            Material::Wall,
        );
    }
}

fn draw_tower(sketch: &mut Sketch, build: &Build, x: f32) {
    let radius = build.radius;
    let axis = Axis { x, z: 0.0, sides: if build.is_round { 16 } else { 4 } };
    let wide = if build.is_round { radius } else { radius * 1.25 };
    sketch.lathe(axis, &[(0.0, wide * 1.04), (build.eaves, wide)], Material::Wall);
    draw_slits(sketch, build, x);
    if build.has_roofs {
        sketch.lathe(axis, &[(build.eaves - 0.035, wide * 1.06), (build.eaves, wide * 1.06)], Material::Trim);
        sketch.lathe(axis, &[(build.eaves, wide * 1.18), (0.985, 0.004)], Material::Roof);
        sketch.lines(&[([x, 0.96, 0.0], [x, 1.0, 0.0])], 0.01, Material::Bright);
    } else {
        sketch.lathe(axis, &[(build.eaves - 0.06, wide * 1.1), (build.eaves, wide * 1.1)], Material::Trim);
        draw_battlements(sketch, axis, build.eaves, wide * 1.1);
    }
}

/// Two narrow windows one above the other.
fn draw_slits(sketch: &mut Sketch, build: &Build, x: f32) {
    let front = -build.radius * if build.is_round { 1.04 } else { 0.92 };
    for height in [0.2, 0.42] {
        sketch.pane([x - 0.012, height, front], (0.024, 0.08), Material::Dark);
    }
}

/// Every other part of a ring of wall around a tower's top.
fn draw_battlements(sketch: &mut Sketch, axis: Axis, height: f32, radius: f32) {
    const PARTS: usize = 16;
    let ring = Axis { sides: PARTS, ..axis };
    let at = |step: f32, height: f32| {
        let [x, y, z] = ring.spot(step, height, 1.0);
        // As far from the axis as the tower's wall is there.
        let (across, deep) = (x - axis.x, z - axis.z);
        let reach = if axis.sides == 4 { FRAC_1_SQRT_2 / across.abs().max(deep.abs()) } else { 1.0 };
        [axis.x + across * radius * reach, y, axis.z + deep * radius * reach]
    };
    let merlons: Vec<[Spot; 4]> = (0..PARTS)
        .step_by(2)
        .map(|part| (part as f32, part as f32 + 1.0))
        .map(|(left, right)| [at(left, height), at(right, height), at(right, 1.0), at(left, 1.0)])
        .collect();
    // The inside of those behind, which those in front cover.
    for [left, right, upper_right, upper_left] in merlons.iter().copied() {
        sketch.face(&[right, left, upper_left, upper_right], Material::Trim);
    }
    for merlon in merlons {
        sketch.face(&merlon, Material::Wall);
    }
}
