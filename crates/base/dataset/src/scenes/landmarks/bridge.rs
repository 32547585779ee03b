//! A great bridge that hangs from cables: a suspension bridge or one whose cables are straight.

use super::{Dice, Material, Sketch, Spot};

/// How one bridge differs from another.
struct Build {
    /// Half its length.
    half: f32,
    /// Where the pylons stand.
    pylons: Vec<f32>,
    /// How high the road lies.
    road: f32,
    /// Half the width of the road.
    deep: f32,
    /// How thick a leg of a pylon is.
    leg: f32,
    cable: f32,
    /// Hangers between two pylons, or cables on each side of one.
    hangers: usize,
    is_stayed: bool,
    /// Whether the legs of a pylon meet at the top.
    is_pointed: bool,
}

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let is_stayed = dice.chance(0.4);
    let half = dice.within(1.25..1.9);
    let is_alone = is_stayed && dice.chance(0.35);
    let at = half * dice.within(0.46..0.58);
    let build = Build {
        half: if is_alone { half * 0.7 } else { half },
        pylons: if is_alone { vec![half * dice.within(-0.12..0.12)] } else { vec![-at, at] },
        road: dice.within(0.24..0.36),
        deep: dice.within(0.08..0.13),
        leg: dice.within(0.03..0.05),
        cable: dice.within(0.011..0.018),
        hangers: if is_stayed { dice.count(6..11) } else { dice.count(16..30) },
        is_stayed,
        is_pointed: is_stayed && dice.chance(0.6),
    };
    bank(sketch, &build, -1.0);
    draw_plane(sketch, &build, build.deep);
    draw_road(sketch, &build);
    bank(sketch, &build, 1.0);
    draw_plane(sketch, &build, -build.deep);
}

/// The block of stone at an end.
fn bank(sketch: &mut Sketch, build: &Build, side: f32) {
    let (inner, outer) = (side * (build.half - 0.02), side * (build.half + 0.14));
    let deep = build.deep + 0.04;
    let (left, right) = (inner.min(outer), inner.max(outer));
    sketch.block([left, 0.0, -deep], [right, build.road + 0.02, deep], Material::Trim);
}

fn draw_road(sketch: &mut Sketch, build: &Build) {
    let (half, deep, road) = (build.half, build.deep + 0.015, build.road);
    sketch.block([-half, road - 0.03, -deep], [half, road + 0.012, deep], Material::Wall);
    let shadow = [[-half, road - 0.03, -deep], [half, road - 0.03, -deep]];
    sketch.lines(&[(shadow[0], shadow[1])], 0.008, Material::Dark);
    let rail = [[-half, road + 0.03, -deep], [half, road + 0.03, -deep]];
    sketch.lines(&[(rail[0], rail[1])], 0.006, Material::Trim);
}

/// The legs and the cables of one edge of the road.
fn draw_plane(sketch: &mut Sketch, build: &Build, z: f32) {
    for &x in &build.pylons {
        draw_leg(sketch, build, x, z);
    }
    let (cables, hangers) = if build.is_stayed { stays(build, z) } else { suspension(build, z) };
    sketch.lines(&hangers, build.cable * 0.5, Material::Bright);
    sketch.lines(&cables, build.cable, Material::Bright);
}

fn draw_leg(sketch: &mut Sketch, build: &Build, x: f32, z: f32) {
    let (leg, top) = (build.leg, if build.is_pointed { 0.0 } else { z });
    let ring = |height: f32, z: f32, half: f32| {
        [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
            .map(|(side, depth): (f32, f32)| [x + side * half, height, z + depth * half])
    };
    let (lower, upper) = (ring(0.0, z * 1.15, leg), ring(1.0, top, leg * 0.72));
    for corner in 0..4 {
        let next = (corner + 1) % 4;
        sketch.face(&[lower[corner], lower[next], upper[next], upper[corner]], Material::Wall);
    }
    sketch.block(
        [x - leg * 1.6, 0.0, z * 1.15 - leg * 1.4],
        [x + leg * 1.6, 0.07, z * 1.15 + leg * 1.4],
        Material::Trim,
    );
    if z > 0.0 {
        let beams: &[f32] = if build.is_pointed { &[0.55] } else { &[0.55, 0.78, 0.97] };
        for &height in beams {
            let reach = if build.is_pointed { build.deep * 0.5 } else { build.deep };
            sketch.block(
                [x - leg * 0.6, height - 0.025, -reach],
                [x + leg * 0.6, height + 0.025, reach],
                Material::Wall,
            );
        }
    }
}

/// Lines from spot to spot.
type Lines = Vec<(Spot, Spot)>;

/// The cable that hangs from pylon to pylon and on to the ends, and what hangs from it.
fn suspension(build: &Build, z: f32) -> (Lines, Lines) {
    let (mut cables, mut hangers) = (Lines::new(), Lines::new());
    let pylon = build.pylons.iter().fold(0.0_f32, |most, at| most.max(*at));
    let low = build.road + 0.05;
    let mut span = |from: f32, to: f32, height: &dyn Fn(f32) -> f32, count: usize| {
        let spot = |step: usize| {
            let x = from + (to - from) * step as f32 / count as f32;
            [x, height(x), z]
        };
        for step in 0..count {
            cables.push((spot(step), spot(step + 1)));
            let [x, top, _] = spot(step);
            hangers.push(([x, build.road, z], [x, top, z]));
        }
    };
    span(-pylon, pylon, &|x| low + (0.99 - low) * (x / pylon) * (x / pylon), build.hangers);
    for side in [-1.0, 1.0] {
        let part = |x: f32| ((build.half - x.abs()) / (build.half - pylon)).clamp(0.0, 1.0);
        let height = |x: f32| low + (0.99 - low) * (0.35 * part(x) * part(x) + 0.65 * part(x));
        span(side * pylon, side * build.half, &height, build.hangers / 2);
    }
    (cables, hangers)
}

/// Straight cables from the pylons to the road.
fn stays(build: &Build, z: f32) -> (Lines, Lines) {
    let (mut cables, alone) = (Lines::new(), build.pylons.len() == 1);
    for &x in &build.pylons {
        for side in [-1.0, 1.0] {
            let is_inner = !alone && side * x < 0.0;
            let reach = if is_inner { x.abs() } else { build.half - side * x } * 0.97;
            for number in 1..=build.hangers {
                let part = number as f32 / build.hangers as f32;
                let height = 0.62 + 0.36 * part;
                let top = if build.is_pointed { z * (1.0 - height) } else { z };
                cables.push(([x, height, top], [x + side * reach * part, build.road, z]));
            }
        }
    }
    (cables, Lines::new())
}
