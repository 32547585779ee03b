//! A deployment: its scale and its pods.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Client};
use super::error::KubernetesError;
use super::place::Place;
use super::pod::{Condition, DELETION_COST, PodList, ReadyPod, Scale};
use super::{PAUSE, TRIES};
use crate::config::KubernetesConfig;
use crate::error::Result;

/// Pods on one page of a list.
const PAGE: u32 = 500;
/// The permission to look at pods.
const PODS: &str = "pods";
/// The permission to look at and to change the scale.
const SCALE: &str = "deployments/scale";

/// A deployment: how many pods it should have, and which there are.
#[derive(Debug)]
pub struct Deployment {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Deployment {
    /// The deployment that the settings name. Nothing is asked yet.
    ///
    /// # Errors
    /// When nothing says where the cluster is, or a certificate cannot be read.
    pub fn connect(
        settings: &KubernetesConfig,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, KubernetesError> {
        let client = Client::new(Place::find(settings, variable)?)?;
        Ok(Self { client, name: settings.deployment.clone() })
    }

    /// How many pods it should have.
    ///
    /// # Errors
    /// When Kubernetes does not tell.
    pub async fn replicas(&self) -> Result<u32> {
        Ok(self.scale().await?.spec.replicas)
    }

    /// The pods that are ready, by name.
    ///
    /// # Errors
    /// When Kubernetes does not tell.
    pub async fn ready_pods(&self) -> Result<Vec<ReadyPod>> {
        let pods = self.pods(&self.scale().await?).await?.items;
        let mut ready: Vec<ReadyPod> = pods.iter().filter_map(super::pod::Pod::ready).collect();
        ready.sort();
        Ok(ready)
    }

    /// Has it have so many pods, and waits until exactly these are there and ready; gives them by name.
    ///
    /// # Errors
    /// When the scale cannot be changed, or they are not ready `within` this time: then it says which are not, and why.
    pub async fn scale_to(&self, replicas: u32, within: Duration) -> Result<Vec<ReadyPod>> {
        self.change(|_| replicas).await?;
        Ok(self.until_ready(replicas, within).await?)
    }

    pub(super) async fn scale(&self) -> Result<Scale, KubernetesError> {
        self.client.ask(&Call::read("get", SCALE, self.path("/scale"))).await
    }

    /// All of its pods, also those that are ending, and the version of this list.
    pub(super) async fn pods(&self, scale: &Scale) -> Result<PodList, KubernetesError> {
        for _ in 1..TRIES {
            match self.all_pages(scale).await {
                // The pages of a list are of one moment, which is forgotten after a while: the list begins anew.
                Err(KubernetesError::Gone { .. }) => {}
                listed => return listed,
            }
        }
        self.all_pages(scale).await
    }

    async fn all_pages(&self, scale: &Scale) -> Result<PodList, KubernetesError> {
        let mut call = self.call_of_pods("list", scale);
        call.query.push(("limit", PAGE.to_string()));
        let mut list: PodList = self.client.ask(&call).await?;
        let pages = call.query.len();
        while !list.metadata.next.is_empty() {
            call.query.truncate(pages);
            call.query.push(("continue", list.metadata.next));
            let page: PodList = self.client.ask(&call).await?;
            list.items.extend(page.items);
            list.metadata = page.metadata;
        }
        Ok(list)
    }

    pub(super) fn call_of_pods(&self, verb: &'static str, scale: &Scale) -> Call {
        let path = format!("/api/v1/namespaces/{}/pods", self.client.namespace());
        let query = vec![("labelSelector", scale.status.selector.clone())];
        Call { query, ..Call::read(verb, PODS, path) }
    }

    /// Changes the number of its pods to what `wanted` makes of the number of this moment; gives the new one.
    pub(super) async fn change(&self, wanted: impl Fn(u32) -> u32) -> Result<u32, KubernetesError> {
        // A try whose answer was lost may have been heard; then it is not repeated.
        let mut unheard = None;
        for _ in 0..TRIES {
            let scale = self.scale().await?;
            let (now, after) = (scale.spec.replicas, wanted(scale.spec.replicas));
            if now == after || unheard == Some(now) {
                return Ok(now);
            }
            match self.set_scale(&scale, after).await {
                Ok(()) => return Ok(after),
                Err(error) if error.is_uncertain() => unheard = Some(after),
                Err(KubernetesError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(self.contended())
    }

    /// Changes the number of its pods, unless anybody has changed it since.
    pub(super) async fn set_scale(&self, seen: &Scale, replicas: u32) -> Result<(), KubernetesError> {
        if seen.spec.replicas == replicas {
            return Ok(());
        }
        let version = &seen.metadata.resource_version;
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}});
        // What raises it by some must not do so twice.
        let call = Call { may_repeat: false, ..Call::patch(SCALE, self.path("/scale"), patch) };
        self.client.ask::<Scale>(&call).await.map(drop)
    }

    /// Says how gladly a pod is deleted, or takes back what was said.
    pub(super) async fn set_deletion_cost(
        &self,
        pod: &str,
        cost: Option<i32>,
    ) -> Result<(), KubernetesError> {
        let path = format!("/api/v1/namespaces/{}/pods/{pod}", self.client.namespace());
        let patch = json!({"metadata": {"annotations": {DELETION_COST: cost.map(|cost| cost.to_string())}}});
        self.client.ask::<serde_json::Value>(&Call::patch(PODS, path, patch)).await.map(drop)
    }

    /// What it says of itself why pods cannot even be made, such as a quota.
    pub(super) async fn why_no_pods(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Described {
            #[serde(default)]
            status: Conditions,
        }
        #[derive(Default, Deserialize)]
        struct Conditions {
            #[serde(default)]
            conditions: Vec<Condition>,
        }
        let call = Call::read("get", "deployments", self.path(""));
        let described: Described = self.client.ask(&call).await.ok()?;
        let mut conditions = described.status.conditions.iter();
        let failing =
            conditions.find(|condition| condition.kind == "ReplicaFailure" && condition.status == "True");
        failing.map(Condition::told)
    }

    /// Others change the scale all the time.
    pub(super) fn contended(&self) -> KubernetesError {
        KubernetesError::Conflict { what: format!("patch {SCALE} ({})", self.name) }
    }

    fn path(&self, of: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/deployments/{}{of}", self.client.namespace(), self.name)
    }
}
