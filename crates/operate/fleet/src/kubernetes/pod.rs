//! Pods and scales as the API writes them, as far as they are read: <https://kubernetes.io/docs/reference/kubernetes-api/>,
//! `Pod v1 core` and `Scale v1 autoscaling`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// What says how gladly a pod is deleted, lower ones first:
/// <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost>.
pub(super) const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The name of the container's port on which a worker tells what it does.
const ADMIN_PORT: &str = "admin";

/// How many pods a deployment should have.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Scale {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) spec: ScaleSpec,
    #[serde(default)]
    pub(super) status: ScaleStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ScaleSpec {
    /// The API leaves out a zero.
    #[serde(default)]
    pub(super) replicas: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ScaleStatus {
    /// Which pods are its.
    #[serde(default)]
    pub(super) selector: String,
}

/// What everything has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) resource_version: String,
    pub(super) creation_timestamp: String,
    /// Set once it is to be deleted.
    pub(super) deletion_timestamp: Option<String>,
    #[serde(deserialize_with = "nothing_is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// One page of pods.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PodList {
    #[serde(default)]
    pub(super) metadata: ListMetadata,
    #[serde(default, deserialize_with = "nothing_is_empty")]
    pub(super) items: Vec<Pod>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMetadata {
    pub(super) resource_version: String,
    /// What asks for the next page.
    #[serde(rename = "continue")]
    pub(super) next: String,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    node_name: String,
    #[serde(deserialize_with = "nothing_is_empty")]
    containers: Vec<Container>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Container {
    #[serde(deserialize_with = "nothing_is_empty")]
    ports: Vec<Port>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Port {
    name: String,
    container_port: u16,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: String,
    reason: String,
    message: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    #[serde(deserialize_with = "nothing_is_empty")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "nothing_is_empty")]
    container_statuses: Vec<ContainerStatus>,
}

/// Something that holds of a pod or a deployment, or does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) message: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    state: ContainerState,
    last_state: ContainerState,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Why>,
    terminated: Option<Why>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Why {
    reason: String,
    message: String,
}

/// A pod that is ready.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct ReadyPod {
    /// Its name.
    pub name: String,
    /// Its address in the cluster.
    pub ip: String,
    /// The machine that it is on.
    pub node: String,
}

impl Pod {
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Its address, once it has one.
    pub(super) fn ip(&self) -> Option<&str> {
        Some(self.status.pod_ip.as_str()).filter(|ip| !ip.is_empty())
    }

    /// Whether it has ended for good, as one that was evicted; it is only still listed.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Whether it was asked to end.
    pub(super) fn is_ending(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True")
    }

    /// What it says of how gladly it is deleted.
    pub(super) fn deletion_cost(&self) -> Option<i32> {
        self.metadata.annotations.get(DELETION_COST)?.parse().ok()
    }

    /// The port on which its worker tells what it does.
    pub(super) fn admin_port(&self) -> Option<u16> {
        let mut ports = self.spec.containers.iter().flat_map(|container| &container.ports);
        Some(ports.find(|port| port.name == ADMIN_PORT)?.container_port)
    }

    /// Lower ones are deleted first, and of equal ones the newer, as far as that does not depend on their neighbours:
    /// <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset>.
    pub(super) fn rank(&self) -> (bool, bool, bool, i32, Reverse<String>) {
        let is_placed = !self.spec.node_name.is_empty();
        let cost = self.deletion_cost().unwrap_or(0);
        let created = Reverse(self.metadata.creation_timestamp.clone());
        (is_placed, self.status.phase == "Running", self.is_ready(), cost, created)
    }

    /// It as somebody sees it who waits for its readiness.
    pub(super) fn ready(&self) -> Option<ReadyPod> {
        let is_ready = self.is_ready() && !self.is_ending() && !self.is_over();
        let (name, node) = (self.metadata.name.clone(), self.spec.node_name.clone());
        is_ready.then(|| ReadyPod { name, ip: self.status.pod_ip.clone(), node })
    }

    /// Why it is not ready, in Kubernetes' words where there are some.
    pub(super) fn why_not_ready(&self) -> String {
        if self.is_ending() {
            return "it is still ending".to_owned();
        }
        let containers = self.status.container_statuses.iter().filter_map(ContainerStatus::trouble).next();
        let said = Why { reason: self.status.reason.clone(), message: self.status.message.clone() };
        containers
            .or_else(|| said.told())
            .or_else(|| self.condition_that_fails())
            .unwrap_or_else(|| format!("it is {} and not ready", self.phase()))
    }

    fn phase(&self) -> String {
        if self.status.phase.is_empty() { "pending".to_owned() } else { self.status.phase.to_lowercase() }
    }

    fn condition_that_fails(&self) -> Option<String> {
        let failing = self.status.conditions.iter().filter(|condition| condition.status == "False");
        failing.map(Condition::told).find(|told| !told.is_empty())
    }
}

impl Condition {
    pub(super) fn told(&self) -> String {
        let why = Why { reason: self.reason.clone(), message: self.message.clone() };
        why.told().unwrap_or_default()
    }
}

impl ContainerStatus {
    /// What it waits for, or how it has ended, and how it had ended before.
    fn trouble(&self) -> Option<String> {
        let now = self.state.waiting.as_ref().or(self.state.terminated.as_ref()).and_then(Why::told);
        let before = self.last_state.terminated.as_ref().and_then(Why::told);
        match (now, before) {
            (Some(now), Some(before)) => Some(format!("{now}; before that {before}")),
            (now, before) => now.or(before),
        }
    }
}

impl Why {
    fn told(&self) -> Option<String> {
        match (self.reason.as_str(), self.message.as_str()) {
            ("", "") => None,
            (reason, "") => Some(reason.to_owned()),
            ("", message) => Some(message.to_owned()),
            (reason, message) => Some(format!("{reason} ({message})")),
        }
    }
}

/// The API writes `null` where a list or a table is empty.
fn nothing_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Pod {
        let metadata = json!({"name": "w-1", "annotations": null});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"nodeName": "n1"}, "status": status}))
            .unwrap()
    }

    #[test]
    fn why_a_pod_is_not_ready_is_told_in_the_words_of_kubernetes() {
        let waiting = |reason: &str| json!({"state": {"waiting": {"reason": reason, "message": "back-off"}}});
        let pulled = pod(json!({"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff")]}));
        assert_eq!(pulled.why_not_ready(), "ImagePullBackOff (back-off)");
        let mut crashed = waiting("CrashLoopBackOff");
        crashed["lastState"] = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
        let crashed = pod(json!({"phase": "Running", "containerStatuses": [crashed]}));
        assert_eq!(crashed.why_not_ready(), "CrashLoopBackOff (back-off); before that OOMKilled");
        let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient cpu."});
        let placed = pod(json!({"phase": "Pending", "conditions": [condition]}));
        assert_eq!(placed.why_not_ready(), "Unschedulable (0/1 nodes are available: 1 Insufficient cpu.)");
        assert_eq!(pod(json!({})).why_not_ready(), "it is pending and not ready");
    }

    #[test]
    fn those_that_are_not_ready_go_before_the_cheapest() {
        let ready = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        let (mut cheap, unready) = (pod(ready.clone()), pod(json!({"phase": "Running"})));
        cheap.metadata.annotations.insert(DELETION_COST.to_owned(), "-100".to_owned());
        let order =
            [pod(json!({"phase": "Pending"})).rank(), unready.rank(), cheap.rank(), pod(ready).rank()];
        assert!(order.is_sorted(), "{order:?}");
    }

    #[test]
    fn a_scale_of_none_is_written_without_a_number() {
        let scale: Scale = serde_json::from_value(json!({"metadata": {"name": "w", "resourceVersion": "7"},
            "spec": {}, "status": {"replicas": 0, "selector": "app=w"}}))
        .unwrap();
        assert_eq!((scale.spec.replicas, scale.status.selector.as_str()), (0, "app=w"));
    }
}
