//! Workers that are pods of a deployment of Kubernetes.
//!
//! The controller asks the pods' workers what they do, and changes the deployment's scale. A worker does not end by itself there,
//! because its pod would be started again; so the idle ones are marked as the cheapest to delete (`pod-deletion-cost`) before the
//! scale is lowered by their number. What the API looks like: the reference at
//! <https://kubernetes.io/docs/reference/kubernetes-api/>.

mod client;
mod deployment;
mod error;
mod look;
mod place;
mod pod;
mod readiness;
mod worker;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::{debug, info};

use crate::config::{KubernetesConfig, PoolConfig};
use crate::driver::{Driver, Member};
use crate::error::{Error, Result};
pub use deployment::Deployment;
pub use error::KubernetesError;
use look::Look;
pub use pod::ReadyPod;
use worker::Workers;

/// Pods that are asked, or marked, at once.
const AT_ONCE: usize = 32;
/// How often a change is tried that others get in the way of.
const TRIES: u32 = 6;
/// Between these tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Starts and ends workers by the scale of a deployment.
#[derive(Debug)]
pub struct KubernetesDriver {
    pool: String,
    max: u32,
    deployment: Deployment,
    workers: Workers,
}

impl KubernetesDriver {
    /// A driver for this pool. Nothing is asked yet.
    ///
    /// # Errors
    /// When the pool does not name a deployment, or nothing says where the cluster is.
    pub fn new(config: &PoolConfig, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        config.check()?;
        let missing =
            || Error::Config { pool: config.name.clone(), why: "it names no deployment".to_owned() };
        let settings: &KubernetesConfig = config.kubernetes.as_ref().ok_or_else(missing)?;
        Ok(Self {
            pool: config.name.clone(),
            max: u32::try_from(config.max).unwrap_or(u32::MAX),
            deployment: Deployment::connect(settings, variable)?,
            workers: Workers::new(settings.admin_port)?,
        })
    }

    /// Takes a worker that has not answered within this time for one that has something to do.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { workers: self.workers.with_patience(patience), ..self }
    }

    /// The pods as they are now, with what their workers do.
    async fn look(&self) -> Result<Look, KubernetesError> {
        let scale = self.deployment.scale().await?;
        let pods = self.deployment.pods(&scale).await?.items;
        let seen = stream::iter(pods).map(|pod| self.workers.see(pod)).buffer_unordered(AT_ONCE);
        Ok(Look::new(scale, seen.collect().await))
    }

    /// Makes those that are to end the cheapest to delete and those that work the dearest, and takes marks back that mean nothing
    /// any more.
    async fn mark(&self, look: &Look, ending: &[String]) -> Result<(), KubernetesError> {
        let marks = stream::iter(look.marks(ending)).map(Ok);
        marks
            .try_for_each_concurrent(AT_ONCE, async |(pod, cost)| {
                match self.deployment.set_deletion_cost(&pod, cost).await {
                    // It has ended meanwhile.
                    Err(KubernetesError::NotFound { .. }) => Ok(()),
                    marked => marked,
                }
            })
            .await
    }

    /// One try to end those of these workers that are idle; whether it has come to an end.
    async fn try_to_drain(&self, ids: &[String]) -> Result<bool, KubernetesError> {
        let look = self.look().await?;
        let ending = look.idle_of(ids);
        if ending.is_empty() {
            return Ok(true);
        }
        self.mark(&look, &ending).await?;
        let replicas = look.replicas_without(ending.len());
        match self.deployment.set_scale(look.scale(), replicas).await {
            Ok(()) => {
                info!(pool = self.pool, replicas, workers = ending.join(","), "workers are asked to end");
                Ok(true)
            }
            // Whether it was changed, and by whom, shows when it is looked at again.
            Err(error) if error.is_worth_another_look() => {
                debug!(%error, "the scale is looked at again");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Driver for KubernetesDriver {
    async fn members(&self) -> Result<Vec<Member>> {
        Ok(self.look().await?.members())
    }

    fn is_asking_costly(&self) -> bool {
        true
    }

    async fn start(&self, count: usize) -> Result<()> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        // Others may have raised the scale meanwhile: what they want is theirs, but this adds nothing beyond the maximum.
        let most = |replicas: u32| self.max.max(replicas);
        let wanted = |replicas: u32| replicas.saturating_add(count).min(most(replicas));
        let replicas = self.deployment.change(wanted).await?;
        info!(pool = self.pool, replicas, "workers are started");
        Ok(())
    }

    async fn drain(&self, ids: &[String]) -> Result<()> {
        for _ in 0..TRIES {
            if self.try_to_drain(ids).await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(self.deployment.contended().into())
    }
}
