//! The pods of a deployment at one moment, with what their workers do.

use super::pod::{Pod, Scale};
use crate::driver::{Member, State};
use crate::report::Activity;

/// The deletion cost of those that are to end.
const CHEAP: i32 = -100;
/// The deletion cost of those that work.
const DEAR: i32 = 100;

/// A pod, and what its worker does.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) pod: Pod,
    pub(super) activity: Activity,
}

/// What was seen at one moment.
#[derive(Debug)]
pub(super) struct Look {
    scale: Scale,
    /// In the order in which Kubernetes would delete them.
    seen: Vec<Seen>,
}

impl Seen {
    fn name(&self) -> String {
        self.pod.name().to_owned()
    }

    /// The cost that it should have instead of the one that it has.
    fn new_cost(&self, ending: &[String]) -> Option<Option<i32>> {
        let cost = self.pod.deletion_cost();
        if ending.contains(&self.name()) {
            return (cost.unwrap_or(0) > CHEAP).then_some(Some(CHEAP));
        }
        if self.activity.state == State::Busy {
            return (cost.unwrap_or(0) < DEAR).then_some(Some(DEAR));
        }
        // Marks of others stay.
        matches!(cost, Some(CHEAP | DEAR)).then_some(None)
    }
}

impl Look {
    pub(super) fn new(scale: Scale, seen: Vec<Seen>) -> Self {
        let mut seen: Vec<Seen> = seen.into_iter().filter(|seen| !seen.pod.is_over()).collect();
        seen.sort_by_cached_key(|seen| (seen.pod.rank(), seen.name()));
        Self { scale, seen }
    }

    pub(super) fn scale(&self) -> &Scale {
        &self.scale
    }

    fn staying(&self) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(|seen| !seen.pod.is_ending())
    }

    fn replicas(&self) -> usize {
        self.scale.spec.replicas as usize
    }

    /// The workers. Those that the scale asks for and that have no pod yet are starting; those that are more than it asks for are
    /// about to be deleted, even if nobody has told them.
    pub(super) fn members(&self) -> Vec<Member> {
        let mut surplus = self.staying().count().saturating_sub(self.replicas());
        let mut members = Vec::new();
        for Seen { pod, activity } in &self.seen {
            let mut activity = activity.clone();
            if pod.is_ending() || surplus > 0 {
                surplus -= usize::from(!pod.is_ending());
                activity.state = State::Draining;
            }
            members.push(Member::of(pod.name().to_owned(), activity));
        }
        let missing = self.replicas().saturating_sub(self.staying().count());
        members.extend((1..=missing).map(|number| {
            Member::of(format!("{}-wanted-{number}", self.scale.metadata.name), Activity::of(State::Starting))
        }));
        members.sort_by(|one, other| one.id.cmp(&other.id));
        members
    }

    /// Those of these that are idle, as far as the scale does not let them go already.
    pub(super) fn idle_of(&self, ids: &[String]) -> Vec<String> {
        let members = self.members().into_iter();
        members.filter(|one| one.state == State::Idle && ids.contains(&one.id)).map(|one| one.id).collect()
    }

    /// The pods whose deletion costs should be others, with these.
    pub(super) fn marks(&self, ending: &[String]) -> Vec<(String, Option<i32>)> {
        self.staying().filter_map(|seen| Some((seen.name(), seen.new_cost(ending)?))).collect()
    }

    /// The scale that lets so many of those that stay go, and no others.
    pub(super) fn replicas_without(&self, ending: usize) -> u32 {
        u32::try_from(self.replicas().saturating_sub(ending)).unwrap_or(u32::MAX)
    }
}
