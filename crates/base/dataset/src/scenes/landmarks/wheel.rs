//! A Ferris wheel: a rim on spokes, cabins around it, and two trestles that carry its hub.

use super::{Axis, Dice, Material, Sketch, Spot};
use crate::scenes::dice::{cosine, sine};

/// How one wheel differs from another.
struct Build {
    hub: f32,
    radius: f32,
    /// Half the distance between its two rims.
    deep: f32,
    spokes: usize,
    cabins: usize,
    cabin: f32,
    beam: f32,
    /// By how much of a turn it has turned.
    turned: f32,
}

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let radius = dice.within(0.4..0.44);
    let cabins = dice.count(12..25);
    let build = Build {
        hub: 0.96 - radius,
        radius,
        deep: dice.within(0.025..0.05),
        spokes: dice.count(10..25),
        cabins,
        cabin: 0.42 / cabins as f32 + dice.within(0.004..0.012),
        beam: dice.within(0.01..0.018),
        turned: dice.within(0.0..1.0),
    };
    trestle(sketch, &build, build.deep + 0.05);
    rim(sketch, &build, build.deep);
    spokes(sketch, &build);
    rim(sketch, &build, -build.deep);
    cabins_of(sketch, &build);
    trestle(sketch, &build, -build.deep - 0.05);
    let axis = Axis { x: 0.0, z: 0.0, sides: 1 };
    let disc: Vec<Spot> =
        (0..14).map(|step| build.spot(step as f32 / 14.0, 0.1, -build.deep - 0.052)).collect();
    sketch.face(&disc, Material::Trim);
    sketch.block([-0.3, 0.0, axis.z - 0.14], [0.3, 0.035, axis.z + 0.14], Material::Trim);
}

impl Build {
    /// A place at an angle in turns and a part of the radius.
    fn spot(&self, turns: f32, part: f32, z: f32) -> Spot {
        let distance = self.radius * part;
        [distance * cosine(turns), self.hub + distance * sine(turns), z]
    }
}

fn rim(sketch: &mut Sketch, build: &Build, z: f32) {
    const STEPS: usize = 40;
    let circle = |part: f32| {
        let spot = move |step: usize| build.spot(step as f32 / STEPS as f32, part, z);
        (0..STEPS).map(move |step| (spot(step), spot(step + 1)))
    };
    let lacing = (0..STEPS).map(|step| {
        let (one, other) = if step % 2 == 0 { (1.0, 0.9) } else { (0.9, 1.0) };
        let turns = |step: usize| step as f32 / STEPS as f32;
        (build.spot(turns(step), one, z), build.spot(turns(step + 1), other, z))
    });
    sketch.lines(&lacing.collect::<Vec<_>>(), build.beam * 0.5, Material::Wall);
    sketch.lines(&circle(1.0).chain(circle(0.9)).collect::<Vec<_>>(), build.beam, Material::Wall);
}

fn spokes(sketch: &mut Sketch, build: &Build) {
    let lines: Vec<(Spot, Spot)> = (0..build.spokes)
        .map(|spoke| {
            let turns = build.turned + spoke as f32 / build.spokes as f32;
            let z = if spoke % 2 == 0 { build.deep } else { -build.deep };
            (build.spot(0.0, 0.0, z), build.spot(turns, 0.92, z))
        })
        .collect();
    sketch.lines(&lines, build.beam * 0.45, Material::Wall);
}

/// They hang upright wherever the wheel has turned them.
fn cabins_of(sketch: &mut Sketch, build: &Build) {
    for cabin in 0..build.cabins {
        let turns = build.turned + cabin as f32 / build.cabins as f32;
        let [x, y, _] = build.spot(turns, 1.0, 0.0);
        let (half, deep) = (build.cabin / 2.0, build.cabin * 0.5);
        let material = if cabin % 2 == 0 { Material::Bright } else { Material::Roof };
        sketch.block([x - half, y - half * 1.3, -deep], [x + half, y + half * 0.7, deep], material);
        sketch.pane([x - half * 0.7, y - half * 0.3, -deep], (half * 1.4, half * 0.7), Material::Dark);
    }
}

/// Two legs from the hub to the ground.
fn trestle(sketch: &mut Sketch, build: &Build, z: f32) {
    let hub = [0.0, build.hub, z];
    let feet = [-0.25, 0.25].map(|x| (hub, [x, 0.0, z * 1.6]));
    sketch.lines(&feet, build.beam * 2.4, Material::Trim);
    let half = [-0.125, 0.125].map(|x| [x, build.hub / 2.0, z * 1.3]);
    sketch.lines(&[(half[0], half[1])], build.beam * 1.2, Material::Trim);
}
