//! A Dutch windmill: a tapering tower with a cap, and four sails that have turned anyhow.

use super::{Axis, Dice, Material, Sketch, Spot, windows};
use crate::scenes::dice::{cosine, sine};

/// How one windmill differs from another.
struct Build {
    /// Radius at the foot and under the cap.
    foot: f32,
    neck: f32,
    eaves: f32,
    sides: usize,
    /// The height of the gallery, if there is one.
    gallery: Option<f32>,
    hub: f32,
    sail: f32,
    /// How wide a sail is, and how far it reaches to the other side of its spar.
    width: f32,
    beyond: f32,
    turned: f32,
    has_cloth: bool,
}

pub(super) fn draw(sketch: &mut Sketch, dice: &mut Dice) {
    let eaves = dice.within(0.53..0.6);
    let hub = eaves + 0.045;
    let build = Build {
        foot: dice.within(0.15..0.2),
        neck: dice.within(0.095..0.12),
        eaves,
        sides: dice.pick(&[8, 8, 16]),
        gallery: dice.chance(0.5).then(|| dice.within(0.17..0.24)),
        hub,
        sail: dice.within(0.36..0.42),
        width: dice.within(0.065..0.095),
        beyond: dice.pick(&[0.0, 0.012, 0.03]),
        turned: dice.within(0.0..0.25),
        has_cloth: dice.chance(0.7),
    };
    draw_body(sketch, &build);
    draw_cap(sketch, &build);
    draw_sails(sketch, &build);
}

impl Build {
    fn axis(&self) -> Axis {
        Axis { x: 0.0, z: 0.0, sides: self.sides }
    }

    fn radius(&self, height: f32) -> f32 {
        self.foot + (self.neck - self.foot) * height / self.eaves
    }
}

fn draw_body(sketch: &mut Sketch, build: &Build) {
    let above = build.gallery.unwrap_or(0.05);
    sketch.lathe(build.axis(), &[(0.0, build.radius(0.0)), (above, build.radius(above))], Material::Trim);
    let (low, high) = (build.radius(above), build.radius(build.eaves));
    sketch.lathe(build.axis(), &[(above, low), (build.eaves, high)], Material::Wall);
    sketch.pane([-0.035, 0.0, -build.foot], (0.07, 0.11), Material::Dark);
    for height in [0.3, 0.43] {
        windows(sketch, [0.0, height, -build.radius(height) * 1.01], (0.035, 0.05), (1, 0.0));
    }
    if let Some(height) = build.gallery {
        draw_gallery(sketch, build, height);
    }
}

/// A platform around the body, with a rail and struts.
fn draw_gallery(sketch: &mut Sketch, build: &Build, height: f32) {
    let out = build.radius(height) + 0.075;
    let axis = Axis { sides: 16, ..build.axis() };
    sketch.lathe(axis, &[(height - 0.012, out), (height + 0.008, out)], Material::Roof);
    let front = (0..16).filter(|side| sine((*side as f32 - 0.5) / 16.0 - 0.25) < 0.3);
    let mut lines = Vec::new();
    for side in front {
        let (step, rail) = (side as f32, height + 0.045);
        lines.push((axis.spot(step, height, out), axis.spot(step, rail, out)));
        lines.push((axis.spot(step, rail, out), axis.spot(step + 1.0, rail, out)));
        lines.push((axis.spot(step, height - 0.01, out), axis.spot(step, height - 0.08, out - 0.06)));
    }
    sketch.lines(&lines, 0.007, Material::Roof);
}

fn draw_cap(sketch: &mut Sketch, build: &Build) {
    let (low, neck) = (build.eaves - 0.008, build.neck);
    let axis = Axis { sides: 12, ..build.axis() };
    let profile = [
        (low, neck * 1.1),
        (low + 0.03, neck * 1.12),
        (low + 0.075, neck * 0.9),
        (low + 0.115, neck * 0.5),
        (low + 0.135, 0.005),
    ];
    sketch.lathe(axis, &profile, Material::Roof);
}

fn draw_sails(sketch: &mut Sketch, build: &Build) {
    for arm in 0..4 {
        draw_sail(sketch, build, build.turned + arm as f32 / 4.0);
    }
    let axle = -build.neck * 1.35;
    let disc: Vec<Spot> = (0..8)
        .map(|step| step as f32 / 8.0)
        .map(|turns| [0.022 * cosine(turns), build.hub + 0.022 * sine(turns), axle - 0.004])
        .collect();
    sketch.face(&disc, Material::Dark);
}

/// A spar, and on it a frame of laths with or without cloth.
fn draw_sail(sketch: &mut Sketch, build: &Build, turns: f32) {
    let (sine, cosine) = (sine(turns), cosine(turns));
    let spot = |out: f32, aside: f32| {
        [out * cosine - aside * sine, build.hub + out * sine + aside * cosine, -build.neck * 1.35]
    };
    let (start, end) = (build.sail * 0.2, build.sail);
    let (left, right) = (-build.beyond, build.width);
    if build.has_cloth {
        let corners = [spot(start, left), spot(end, left), spot(end, right), spot(start, right)];
        sketch.face(&corners, Material::Bright);
    }
    let along = [left, right].map(|aside| (spot(start, aside), spot(end, aside)));
    let across = (0..=8).map(|lath| {
        let out = start + (end - start) * lath as f32 / 8.0;
        (spot(out, left), spot(out, right))
    });
    sketch.lines(&along.into_iter().chain(across).collect::<Vec<_>>(), 0.009, Material::Trim);
    sketch.lines(&[(spot(0.0, 0.0), spot(end, 0.0))], 0.02, Material::Trim);
}
