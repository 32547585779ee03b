//! A basilica with a great dome: a body with a portico, a drum with windows, ribs, a lantern and a cross.

use super::{Axis, Dice, Material, Sketch, Spot, windows};
use crate::scenes::dice::{cosine, sine};

/// How one basilica differs from another.
struct Build {
    half: f32,
    deep: f32,
    /// How high the body is.
    eaves: f32,
    /// The radius of the drum.
    drum: f32,
    /// Where the dome begins and ends.
    dome: (f32, f32),
    columns: usize,
}

/// Into so many sides drum and dome are divided.
const SIDES: usize = 20;

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let start = dice.within(0.46..0.54);
    let build = Build {
        half: dice.within(0.4..0.62),
        deep: dice.within(0.26..0.36),
        eaves: dice.within(0.27..0.33),
        drum: dice.within(0.22..0.3),
        dome: (start, dice.within(0.8..0.86)),
        columns: dice.count(4..9),
    };
    draw_body(sketch, &build);
    let turrets = dice.chance(0.5).then(|| dice.within(0.06..0.085));
    if let Some(radius) = turrets {
        turret(sketch, &build, -1.0, radius);
    }
    draw_drum(sketch, &build);
    draw_dome(sketch, &build);
    draw_lantern(sketch, &build);
    if let Some(radius) = turrets {
        turret(sketch, &build, 1.0, radius);
    }
    draw_portico(sketch, &build);
}

fn draw_body(sketch: &mut Sketch, build: &Build) {
    let (half, deep) = (build.half, build.deep);
    sketch.block([-half, 0.0, -deep], [half, build.eaves, deep], Material::Wall);
    let count = 7;
    let step = 2.0 * half / count as f32;
    let first = [-half + step / 2.0, build.eaves * 0.3, -deep];
    windows(sketch, first, (step * 0.4, build.eaves * 0.45), (count, step));
    let (half, deep) = (half + 0.015, deep + 0.015);
    sketch.block([-half, build.eaves - 0.025, -deep], [half, build.eaves, deep], Material::Trim);
}

/// A small dome on a corner of the body, far smaller than the great one.
fn turret(sketch: &mut Sketch, build: &Build, side: f32, radius: f32) {
    let axis = Axis { x: side * (build.half - radius), z: -build.deep + radius, sides: 12 };
    let top = build.eaves + 0.07;
    sketch.lathe(axis, &[(build.eaves, radius * 0.85), (top, radius * 0.85)], Material::Wall);
    sketch.lathe(axis, &vault((top, top + radius * 1.25), radius, 4), Material::Roof);
}

/// A quarter of an ellipse, turned around its axis.
fn vault((low, high): (f32, f32), radius: f32, steps: usize) -> Vec<(f32, f32)> {
    let angle = |step: usize| 0.25 * step as f32 / steps as f32;
    (0..=steps).map(|step| (low + (high - low) * sine(angle(step)), radius * cosine(angle(step)))).collect()
}

fn draw_drum(sketch: &mut Sketch, build: &Build) {
    let axis = Axis { x: 0.0, z: 0.0, sides: SIDES };
    let (radius, (top, _)) = (build.drum, build.dome);
    let low = build.eaves - 0.01;
    sketch.lathe(axis, &[(low, radius * 1.06), (low + 0.04, radius * 1.06)], Material::Trim);
    sketch.lathe(axis, &[(low + 0.04, radius), (top - 0.02, radius)], Material::Wall);
    for side in 0..SIDES {
        let spot = |across: f32, height: f32| axis.spot(side as f32 + across, height, radius * 1.003);
        let (sill, head) = (low + 0.055, top - 0.035);
        let corners = [spot(0.25, sill), spot(0.75, sill), spot(0.75, head), spot(0.25, head)];
        sketch.face(&corners, Material::Dark);
    }
    sketch.lathe(axis, &[(top - 0.022, radius * 1.08), (top, radius * 1.08)], Material::Trim);
}

fn draw_dome(sketch: &mut Sketch, build: &Build) {
    let axis = Axis { x: 0.0, z: 0.0, sides: SIDES };
    let profile = vault(build.dome, build.drum * 1.01, 7);
    sketch.lathe(axis, &profile, Material::Roof);
    // Those of the front half only: the others are behind the dome.
    let steps = (0..SIDES).filter(|side| side % 2 == 0 && sine(*side as f32 / SIDES as f32 - 0.25) < -0.35);
    for step in steps {
        let spots = profile.iter().map(|(height, radius)| axis.spot(step as f32 + 0.5, *height, *radius));
        let spots: Vec<Spot> = spots.collect();
        let lines: Vec<_> = spots.iter().copied().zip(spots.iter().copied().skip(1)).collect();
        sketch.lines(&lines, 0.008, Material::Trim);
    }
}

fn draw_lantern(sketch: &mut Sketch, build: &Build) {
    let axis = Axis { x: 0.0, z: 0.0, sides: 8 };
    let (_, top) = build.dome;
    sketch.lathe(axis, &[(top - 0.015, 0.055), (top + 0.07, 0.045)], Material::Wall);
    sketch.lathe(axis, &[(top + 0.07, 0.055), (top + 0.12, 0.008)], Material::Roof);
    let cross = [([0.0, top + 0.11, 0.0], [0.0, 1.0, 0.0]), ([-0.022, 0.975, 0.0], [0.022, 0.975, 0.0])];
    sketch.lines(&cross, 0.01, Material::Bright);
}

/// Columns and a gable before the body.
fn draw_portico(sketch: &mut Sketch, build: &Build) {
    let (half, front) = (build.half * 0.45, -build.deep - 0.09);
    let (low, beam) = (0.03, build.eaves * 0.8);
    sketch.block([-half - 0.02, 0.0, front - 0.02], [half + 0.02, low, -build.deep], Material::Trim);
    sketch.pane([-half, low, -build.deep], (half * 2.0, beam - low), Material::Dark);
    for column in 0..build.columns {
        let x = -half + half * 2.0 * (column as f32 + 0.5) / build.columns as f32;
        sketch.lathe(Axis { x, z: front + 0.02, sides: 6 }, &[(low, 0.017), (beam, 0.014)], Material::Wall);
    }
    sketch.block([-half, beam, front], [half, beam + 0.03, -build.deep], Material::Trim);
    let (eaves, ridge) = (beam + 0.03, beam + 0.03 + half * 0.4);
    sketch.face(
        &[[half, eaves, front], [half, eaves, -build.deep], [0.0, ridge, -build.deep], [0.0, ridge, front]],
        Material::Roof,
    );
    sketch.face(&[[-half, eaves, front], [half, eaves, front], [0.0, ridge, front]], Material::Wall);
}
