//! Waiting until the pods of a deployment are ready, by watching them.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tracing::debug;

use super::client::{Call, Status};
use super::deployment::Deployment;
use super::error::KubernetesError;
use super::pod::{Pod, PodList, ReadyPod};

/// So long one watch lasts; then it begins anew.
const WATCH: Duration = Duration::from_secs(20);
/// Before Kubernetes is asked again after it has failed.
const AGAIN: Duration = Duration::from_millis(200);
/// Pods whose troubles are told.
const TOLD: usize = 5;

/// The pods of a deployment as they are known so far.
#[derive(Debug, Default)]
struct Known(BTreeMap<String, Pod>);

/// Something that has happened to a pod, see
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
enum Event {
    Added(Box<Pod>),
    Modified(Box<Pod>),
    Deleted(Box<Pod>),
    /// How far the watch has come.
    Bookmark(IgnoredAny),
    Error(Status),
}

impl Known {
    fn of(list: PodList) -> Self {
        Self(list.items.into_iter().map(|pod| (pod.name().to_owned(), pod)).collect())
    }

    fn note(&mut self, pod: Pod) {
        self.0.insert(pod.name().to_owned(), pod);
    }

    fn forget(&mut self, pod: &Pod) {
        self.0.remove(pod.name());
    }

    /// Those that are there; one that has ended for good is only still listed.
    fn there(&self) -> impl Iterator<Item = &Pod> {
        self.0.values().filter(|pod| !pod.is_over())
    }

    /// The pods, where these are exactly so many and each is ready.
    fn if_all_ready(&self, wanted: u32) -> Option<Vec<ReadyPod>> {
        let ready: Vec<ReadyPod> = self.there().map(Pod::ready).collect::<Option<_>>()?;
        (u32::try_from(ready.len()) == Ok(wanted)).then_some(ready)
    }

    /// Which are not ready, and why.
    fn troubles(&self) -> Vec<String> {
        let unready = self.there().filter(|pod| pod.ready().is_none());
        unready.map(|pod| format!("{}: {}", pod.name(), pod.why_not_ready())).collect()
    }
}

impl Deployment {
    /// Waits until exactly so many pods are there, and each is ready.
    pub(super) async fn until_ready(
        &self,
        wanted: u32,
        within: Duration,
    ) -> Result<Vec<ReadyPod>, KubernetesError> {
        let mut known = Known::default();
        match tokio::time::timeout(within, self.settle(wanted, &mut known)).await {
            Ok(settled) => settled,
            Err(_) => Err(self.not_ready(wanted, within, &known).await),
        }
    }

    async fn settle(&self, wanted: u32, known: &mut Known) -> Result<Vec<ReadyPod>, KubernetesError> {
        loop {
            match self.follow(wanted, known).await {
                Ok(Some(ready)) => return Ok(ready),
                // The watch has ended as watches do.
                Ok(None) => {}
                Err(error) if error.passes() => debug!(%error, "the pods are listed again"),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Lists the pods, and follows what happens to them until they are as wanted or the watch ends.
    async fn follow(&self, wanted: u32, known: &mut Known) -> Result<Option<Vec<ReadyPod>>, KubernetesError> {
        let scale = self.scale().await?;
        let list = self.pods(&scale).await?;
        let mut call = self.call_of_pods("watch", &scale);
        call.query.extend([
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("timeoutSeconds", WATCH.as_secs().to_string()),
            ("resourceVersion", list.metadata.resource_version.clone()),
        ]);
        *known = Known::of(list);
        if let Some(ready) = known.if_all_ready(wanted) {
            return Ok(Some(ready));
        }
        let response = self.client.send(&call, WATCH + AGAIN).await?;
        let mut events = Events { response, unread: Vec::new() };
        while let Some(line) = events.next(self, &call).await? {
            self.take_in(&line, &call, known)?;
            if let Some(ready) = known.if_all_ready(wanted) {
                return Ok(Some(ready));
            }
        }
        Ok(None)
    }

    fn take_in(&self, line: &[u8], call: &Call, known: &mut Known) -> Result<(), KubernetesError> {
        let odd =
            |error: serde_json::Error| KubernetesError::Odd { what: call.what(), why: error.to_string() };
        match serde_json::from_slice(line).map_err(odd)? {
            Event::Added(pod) | Event::Modified(pod) => known.note(*pod),
            Event::Deleted(pod) => known.forget(&pod),
            Event::Bookmark(_) => {}
            Event::Error(status) => return Err(self.client.meaning(call, status.code, status.message)),
        }
        Ok(())
    }

    async fn not_ready(&self, wanted: u32, within: Duration, known: &Known) -> KubernetesError {
        let mut troubles = known.troubles();
        let there = known.there().count();
        if there < wanted as usize {
            let why = self.why_no_pods().await.map_or_else(String::new, |why| format!(": {why}"));
            troubles.insert(0, format!("only {there} pods are there{why}"));
        }
        if troubles.is_empty() {
            troubles.push(format!("{there} are there; does somebody else change the scale?"));
        }
        let more = troubles.len().saturating_sub(TOLD);
        troubles.truncate(TOLD);
        if more > 0 {
            troubles.push(format!("and {more} more"));
        }
        let ready = known.there().filter_map(Pod::ready).count();
        let (deployment, why) = (self.name.clone(), troubles.join("; "));
        KubernetesError::NotReady { deployment, wanted, ready, within, why }
    }
}

/// The events of a watch: one JSON object a line.
struct Events {
    response: Response,
    unread: Vec<u8>,
}

impl Events {
    /// The next line; none at the end.
    async fn next(&mut self, of: &Deployment, call: &Call) -> Result<Option<Vec<u8>>, KubernetesError> {
        loop {
            if let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                return Ok(Some(self.unread.drain(..=end).collect()));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.unread.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(error) => return Err(of.client.unreachable(call, &error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, is_ready: bool) -> Pod {
        let ready =
            json!({"type": "Ready", "status": if is_ready { "True" } else { "False" }, "reason": "R"});
        serde_json::from_value(json!({"metadata": {"name": name}, "status": {"conditions": [ready]}}))
            .unwrap()
    }

    #[test]
    fn exactly_the_wanted_ones_must_be_there_and_ready() {
        let mut known = Known::default();
        assert_eq!(known.if_all_ready(0), Some(Vec::new()));
        known.note(pod("a", true));
        known.note(pod("b", false));
        assert_eq!(known.if_all_ready(1), None, "another one is there as well");
        assert_eq!(known.troubles(), ["b: R"]);
        known.note(pod("b", true));
        assert_eq!((known.if_all_ready(1), known.if_all_ready(2).unwrap().len()), (None, 2));
        known.forget(&pod("a", true));
        assert_eq!(known.if_all_ready(1).unwrap()[0].name, "b");
    }

    #[test]
    fn events_are_read_as_the_api_writes_them() {
        let event: Event = serde_json::from_value(json!({"type": "BOOKMARK", "object": {"kind": "Pod",
            "metadata": {"resourceVersion": "12746", "creationTimestamp": null}}}))
        .unwrap();
        assert!(matches!(event, Event::Bookmark(_)));
        let gone = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure",
            "message": "too old resource version: 1 (12746)", "reason": "Expired", "code": 410}});
        let event: Event = serde_json::from_value(gone).unwrap();
        assert!(matches!(event, Event::Error(status) if status.code == 410));
    }
}
