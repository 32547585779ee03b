//! What stands on the ground: the landmarks, and before and behind them all that a city is full of.

use super::boats;
use super::buildings::{self, Plot};
use super::dice::Dice;
use super::ground::Ground;
use super::landmark::Landmark;
use super::materials;
use super::mood::Mood;
use super::placement::{Frame, Plan};
use super::stage::Stage;
use super::street::{self, Spot};
use super::texture::Texture;

/// The place that things are put on.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) frame: Frame,
    pub(super) mood: Mood,
    pub(super) ground: Ground,
}

/// Something that stands on the ground.
enum Thing<'a> {
    Sight(&'a Plan),
    Building(Plot),
    Other(Spot),
}

impl Thing<'_> {
    /// The pixel row that it stands on.
    fn base(&self) -> f32 {
        match self {
            Self::Sight(plan) => plan.base,
            Self::Building(plot) => plot.base,
            Self::Other(spot) => spot.base,
        }
    }
}

impl Surroundings {
    /// Paints everything, what is farther away first.
    pub(super) fn populate(&self, stage: &mut Stage, plans: &[Plan], dice: &mut Dice) {
        let mut things: Vec<Thing> = plans.iter().map(Thing::Sight).collect();
        things.extend((0..dice.count(0..5)).map(|_| Thing::Building(self.plot(dice))));
        if dice.chance(0.15) {
            things.push(Thing::Building(self.corner(dice)));
        }
        let crowd = dice.within(0.0..1.0);
        things.extend((0..(crowd * crowd * 14.0) as usize).map(|_| Thing::Other(self.spot(dice))));
        things.retain(|thing| match thing {
            Thing::Sight(_) => true,
            Thing::Building(plot) => !self.ground.is_water(plot.base),
            // Boats are few.
            Thing::Other(spot) => !self.ground.is_water(spot.base) || dice.chance(0.4),
        });
        things.sort_by(|one, other| one.base().total_cmp(&other.base()));
        for thing in things {
            self.put(stage, &thing, dice);
        }
    }

    fn put(&self, stage: &mut Stage, thing: &Thing, dice: &mut Dice) {
        match thing {
            Thing::Sight(plan) => self.put_sight(stage, plan, dice),
            Thing::Building(plot) => {
                let area = plot.area(&stage.canvas);
                stage.cover(area, |canvas| buildings::paint(canvas, &self.mood, *plot, dice));
            }
            Thing::Other(spot) => {
                let area = spot.area(&stage.canvas);
                let paint = if self.ground.is_water(spot.base) { boats::paint } else { street::paint };
                stage.cover(area, |canvas| paint(canvas, &self.mood, *spot, dice));
            }
        }
    }

    fn put_sight(&self, stage: &mut Stage, plan: &Plan, dice: &mut Dice) {
        if plan.landmark != Landmark::Bridge && self.ground.is_water(plan.base - 1.0) {
            let area = plan.quay_area(&stage.canvas);
            stage.cover(area, |canvas| self.ground.paint_quay(canvas, &self.mood, plan.corners()));
        }
        let paints = materials::any(plan.landmark, &self.mood, dice);
        let texture = Texture::any(plan.place.scale, dice);
        stage.raise(plan, &paints, &texture, &self.mood);
    }

    /// How near something is that stands on this row: 0 on the horizon, 1 at the bottom of the picture.
    fn nearness(&self, base: f32) -> f32 {
        (base - self.frame.horizon) / (self.frame.height - self.frame.horizon)
    }

    /// Somewhere on the ground.
    fn spot(&self, dice: &mut Dice) -> Spot {
        let Frame { width, height, horizon } = self.frame;
        let base = horizon + (height * 1.04 - horizon) * dice.within(0.02..1.0);
        let near = self.nearness(base);
        let storey = height * (0.025 + 0.15 * near) * dice.within(0.8..1.25);
        Spot { x: width * dice.within(-0.02..1.02), base, storey, distance: (0.6 - near * 0.6).max(0.0) }
    }

    /// For a building that is not very near.
    fn plot(&self, dice: &mut Dice) -> Plot {
        let Frame { width, height, horizon } = self.frame;
        let base = horizon + (height - horizon) * dice.within(0.02..0.4);
        let near = self.nearness(base);
        Plot {
            left: width * dice.within(-0.15..1.0),
            base,
            width: width * (dice.within(0.08..0.2) + near * 0.3),
            height: height * (dice.within(0.08..0.28) + near * 0.4),
            distance: 0.5 - near * 0.5,
        }
    }

    /// For a building beside the viewer, at an edge of the picture.
    fn corner(&self, dice: &mut Dice) -> Plot {
        let Frame { width, height, horizon } = self.frame;
        let wide = width * dice.within(0.15..0.4);
        let inside = wide * dice.within(0.3..0.8);
        let left = if dice.chance(0.5) { inside - wide } else { width - inside };
        let base = height * dice.within(0.9..1.1);
        Plot { left, base, width: wide, height: base - horizon * dice.within(-0.1..0.9), distance: 0.0 }
    }
}
