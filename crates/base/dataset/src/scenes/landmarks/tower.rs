//! A tower of iron lattice on four legs, like the one in Paris.

use super::{Dice, Material, Sketch, Spot};

/// How one tower differs from another.
struct Build {
    /// Half its width at the bottom.
    foot: f32,
    /// Heights of the first and the second platform.
    platforms: [f32; 2],
    /// Whether one cannot see through its legs.
    is_clad: bool,
    /// How wide the beams are.
    beam: f32,
    /// Heights that the braces divide the upper part at.
    storeys: usize,
}

/// A side of the tower: across it from -1 to 1 at a height.
type Side = fn(&Build, f32, f32) -> Spot;

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let build = Build {
        foot: dice.within(0.17..0.23),
        platforms: [dice.within(0.16..0.2), dice.within(0.34..0.4)],
        is_clad: dice.chance(0.6),
        beam: dice.within(0.011..0.018),
        storeys: dice.count(6..11),
    };
    let behind: [Side; 2] = [
        |build, across, height| [-across * build.half(height), height, build.half(height)],
        |build, across, height| [-build.half(height), height, -across * build.half(height)],
    ];
    let before: [Side; 2] = [
        |build, across, height| [across * build.half(height), height, -build.half(height)],
        |build, across, height| [build.half(height), height, across * build.half(height)],
    ];
    behind.into_iter().for_each(|side| draw_side(sketch, &build, side));
    platform(sketch, &build, build.platforms[0], 0.026, 1.12);
    platform(sketch, &build, build.platforms[1], 0.02, 1.2);
    before.into_iter().for_each(|side| draw_side(sketch, &build, side));
    draw_top(sketch, &build);
}

impl Build {
    /// Half the width at a height: a curve like that of an exponential.
    fn half(&self, height: f32) -> f32 {
        let [first, second] = self.platforms;
        let known = [(0.0, 1.0), (first, 0.58), (second, 0.32), (0.6, 0.155), (0.86, 0.075), (1.0, 0.03)];
        let after = known.iter().position(|(at, _)| *at > height).unwrap_or(known.len() - 1).max(1);
        let ((low, wide), (high, narrow)) = (known[after - 1], known[after]);
        self.foot * (wide + (narrow - wide) * ((height - low) / (high - low)).clamp(0.0, 1.0))
    }

    /// Where the inner edge of a leg is, as a part of half the width.
    fn inner(&self, height: f32) -> f32 {
        0.6 - 0.2 * (height / self.platforms[1]).min(1.0)
    }
}

fn platform(sketch: &mut Sketch, build: &Build, height: f32, thickness: f32, wider: f32) {
    let half = build.half(height) * wider;
    sketch.frustum([0.0; 2], (height, [half; 2]), (height + thickness, [half * 1.03; 2]), Material::Trim);
}

fn draw_side(sketch: &mut Sketch, build: &Build, side: Side) {
    let [first, second] = build.platforms;
    let legs = [0.0, first * 0.33, first * 0.66, first, (first + second) / 2.0, second];
    for leg in [-1.0, 1.0] {
        let inner = |height: f32| leg * build.inner(height);
        if build.is_clad {
            clad(sketch, build, side, (leg, &legs));
        }
        brace(sketch, build, &legs, |height| (side(build, inner(height), height), side(build, leg, height)));
    }
    let storeys: Vec<f32> = (0..=build.storeys)
        .map(|storey| second + (0.86 - second) * storey as f32 / build.storeys as f32)
        .collect();
    if build.is_clad {
        let corners = [(-1.0, second), (1.0, second), (1.0, 0.6), (1.0, 0.86), (-1.0, 0.86), (-1.0, 0.6)];
        sketch.face(&corners.map(|(across, height)| side(build, across, height)), Material::Wall);
    }
    brace(sketch, build, &storeys, |height| (side(build, -1.0, height), side(build, 1.0, height)));
    draw_arch(sketch, build, side);
}

/// A surface behind the lattice of a leg.
fn clad(sketch: &mut Sketch, build: &Build, side: Side, (leg, heights): (f32, &[f32])) {
    let edge = |across: &dyn Fn(f32) -> f32| {
        heights.iter().map(|height| side(build, across(*height), *height)).collect::<Vec<_>>()
    };
    let (mut outer, mut inner) = (edge(&|_| leg), edge(&|height| leg * build.inner(height)));
    // Anticlockwise: up on the right, down on the left.
    let (up, down) = if leg > 0.0 { (&mut outer, &mut inner) } else { (&mut inner, &mut outer) };
    down.reverse();
    up.append(down);
    sketch.face(up, Material::Wall);
}

/// Beams along both edges and crosswise between them.
fn brace(sketch: &mut Sketch, build: &Build, heights: &[f32], edges: impl Fn(f32) -> (Spot, Spot)) {
    let (mut beams, mut braces) = (Vec::new(), Vec::new());
    for (&low, &high) in heights.iter().zip(heights.iter().skip(1)) {
        let ((left, right), (upper_left, upper_right)) = (edges(low), edges(high));
        beams.extend([(left, upper_left), (right, upper_right)]);
        braces.extend([(left, upper_right), (right, upper_left), (upper_left, upper_right)]);
    }
    let crossed = if build.is_clad { Material::Trim } else { Material::Wall };
    sketch.lines(&braces, build.beam * 0.6, crossed);
    sketch.lines(&beams, build.beam, Material::Wall);
}

/// The arch between two legs, under the first platform.
fn draw_arch(sketch: &mut Sketch, build: &Build, side: Side) {
    let first = build.platforms[0];
    let spots: Vec<Spot> = (0..=10)
        .map(|step| {
            let across = step as f32 / 5.0 - 1.0;
            let height = first * (0.96 - 0.62 * across * across);
            side(build, across * build.inner(height) * 1.02, height)
        })
        .collect();
    let lines: Vec<(Spot, Spot)> = spots.iter().copied().zip(spots.iter().copied().skip(1)).collect();
    sketch.lines(&lines, build.beam, Material::Wall);
}

fn draw_top(sketch: &mut Sketch, build: &Build) {
    platform(sketch, build, 0.86, 0.018, 1.9);
    let half = build.half(0.86);
    sketch.frustum([0.0; 2], (0.878, [half; 2]), (0.915, [half * 0.5; 2]), Material::Wall);
    sketch.lines(&[([0.0, 0.9, 0.0], [0.0, 1.0, 0.0])], build.beam * 0.8, Material::Wall);
}
