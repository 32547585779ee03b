//! What is stored: the deployment, its pods, and what has happened to them.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::pod::{Ended, Pod};
use super::{DEPLOYMENT, NAMESPACE, Options};

/// Events that are remembered.
const REMEMBERED: usize = 1000;

/// Something that has happened to a pod.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) kind: &'static str,
    pub(super) object: Value,
}

#[derive(Debug)]
pub(super) struct State {
    version: u64,
    pub(super) replicas: u32,
    deployment_version: u64,
    pub(super) pods: BTreeMap<String, Pod>,
    made: u64,
    events: VecDeque<Event>,
    /// What happened up to this version is forgotten.
    pub(super) forgotten: u64,
    pub(super) is_paused: bool,
    pub(super) is_image_lost: bool,
    pub(super) quota: Option<usize>,
    pub(super) most_pods: usize,
    pub(super) ended: Vec<Ended>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            version: 100,
            replicas: 0,
            deployment_version: 100,
            pods: BTreeMap::new(),
            made: 0,
            events: VecDeque::new(),
            forgotten: 99,
            is_paused: false,
            is_image_lost: false,
            quota: None,
            most_pods: 0,
            ended: Vec::new(),
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn deployment_version(&self) -> u64 {
        self.deployment_version
    }

    /// The deployment has changed: its scale, or what its status counts.
    pub(super) fn touch_deployment(&mut self) {
        self.version += 1;
        self.deployment_version = self.version;
    }

    pub(super) fn scale(&mut self, replicas: u32) {
        self.replicas = replicas;
        self.touch_deployment();
    }

    pub(super) fn forget_history(&mut self) {
        self.version += 1;
        self.events.clear();
        self.forgotten = self.version;
    }

    /// What has happened since a version; none where that is forgotten.
    pub(super) fn since(&self, version: u64) -> Option<Vec<Event>> {
        let events = self.events.iter().filter(|event| event.version > version);
        (version >= self.forgotten).then(|| events.cloned().collect())
    }

    /// Tells that something has happened to a pod.
    pub(super) fn tell(&mut self, kind: &'static str, name: &str) {
        self.version += 1;
        let version = self.version;
        let Some(pod) = self.pods.get_mut(name) else { return };
        pod.version = version;
        let mut object = pod.shown();
        object["kind"] = json!("Pod");
        object["apiVersion"] = json!("v1");
        self.events.push_back(Event { version, kind, object });
        if self.events.len() > REMEMBERED {
            self.forgotten = self.events.pop_front().map_or(self.forgotten, |event| event.version);
        }
        // The status of the deployment counts its pods.
        self.deployment_version = version;
    }

    pub(super) fn make_pod(&mut self, options: &Options) {
        self.made += 1;
        let pod = Pod::new(self.made, options);
        let name = pod.place.name.clone();
        self.pods.insert(name.clone(), pod);
        self.most_pods = self.most_pods.max(self.pods.len());
        self.tell("ADDED", &name);
    }

    pub(super) fn remove_pod(&mut self, name: &str) {
        self.tell("DELETED", name);
        self.pods.remove(name);
    }

    /// The pods that stay.
    pub(super) fn staying(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values().filter(|pod| !pod.is_ending())
    }

    fn ready(&self) -> usize {
        self.staying().filter(|pod| pod.is_ready()).count()
    }

    /// The scale as the API shows it: a zero that is wanted is left out.
    pub(super) fn shown_scale(&self) -> Value {
        let spec = if self.replicas == 0 { json!({}) } else { json!({"replicas": self.replicas}) };
        json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": self.metadata(), "spec": spec,
            "status": {"replicas": self.staying().count(), "selector": format!("app={DEPLOYMENT}")},
        })
    }

    pub(super) fn shown_deployment(&self) -> Value {
        let (there, ready) = (self.staying().count(), self.ready());
        let mut conditions =
            vec![json!({"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"})];
        if self.quota.is_some_and(|quota| quota < self.replicas as usize) {
            conditions.push(json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": format!("pods \"{DEPLOYMENT}-7d9f-\" is forbidden: exceeded quota: pods")}));
        }
        json!({
            "kind": "Deployment", "apiVersion": "apps/v1", "metadata": self.metadata(),
            "spec": {"replicas": self.replicas, "selector": {"matchLabels": {"app": DEPLOYMENT}}},
            "status": {"replicas": there, "readyReplicas": ready, "availableReplicas": ready,
                "unavailableReplicas": there - ready, "conditions": conditions},
        })
    }

    fn metadata(&self) -> Value {
        json!({"name": DEPLOYMENT, "namespace": NAMESPACE, "uid": "00000000-0000-4000-8000-888888888888",
            "resourceVersion": self.deployment_version.to_string(), "creationTimestamp": "2026-01-01T00:00:00Z"})
    }
}
