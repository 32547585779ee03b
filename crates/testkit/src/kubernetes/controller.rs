//! What the ReplicaSet controller and the kubelet do: pods are made, probed, asked to end, and removed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::pod::{Pod, is_ready_at};
use super::state::State;
use super::{Options, Shared};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks after the pods until the cluster ends.
pub(super) fn run(shared: &Shared) {
    while !shared.is_ended.load(Ordering::Acquire) {
        shared.change(|state| state.reconcile(&shared.options));
        probe(shared);
        std::thread::sleep(PAUSE);
    }
}

/// Asks those that are not ready yet; nothing waits for the answers.
fn probe(shared: &Shared) {
    let delay = shared.options.readiness_delay;
    let unready = |pod: &Pod| Some((pod.place.name.clone(), pod.to_probe(delay)?));
    let unready: Vec<_> = shared.state().pods.values().filter_map(unready).collect();
    for (name, address) in unready {
        if is_ready_at(address) {
            shared.change(|state| {
                state.pods.get_mut(&name).into_iter().for_each(Pod::become_ready);
                state.tell("MODIFIED", &name);
            });
        }
    }
}

impl State {
    fn reconcile(&mut self, options: &Options) {
        self.note_ends();
        if !self.is_paused {
            self.match_scale(options);
        }
        self.start_processes(options);
        self.remove_those_that_are_gone();
    }

    fn note_ends(&mut self) {
        let ended: Vec<_> = self.pods.values_mut().filter_map(Pod::has_ended).collect();
        for ended in ended {
            self.tell("MODIFIED", &ended.name);
            self.ended.push(ended);
        }
    }

    fn match_scale(&mut self, options: &Options) {
        let (there, wanted) = (self.staying().count(), self.replicas as usize);
        for _ in there..wanted.min(self.quota.unwrap_or(wanted)) {
            self.make_pod(options);
        }
        let mut order: Vec<_> = self.staying().map(|pod| (pod.rank(), pod.place.name.clone())).collect();
        order.sort();
        for (_, name) in order.into_iter().take(there.saturating_sub(wanted)) {
            self.pods.get_mut(&name).into_iter().for_each(Pod::terminate);
            self.tell("MODIFIED", &name);
        }
    }

    fn start_processes(&mut self, options: &Options) {
        let is_image_lost = self.is_image_lost;
        let staying = self.pods.values_mut().filter(|pod| !pod.is_ending());
        let changed =
            staying.filter_map(|pod| pod.go_on(options, is_image_lost).then(|| pod.place.name.clone()));
        for name in changed.collect::<Vec<_>>() {
            self.tell("MODIFIED", &name);
        }
    }

    fn remove_those_that_are_gone(&mut self) {
        self.pods.values_mut().for_each(Pod::kill_when_late);
        let gone = self.pods.values().filter(|pod| pod.is_gone()).map(|pod| pod.place.name.clone());
        for name in gone.collect::<Vec<_>>() {
            self.remove_pod(&name);
        }
    }
}
