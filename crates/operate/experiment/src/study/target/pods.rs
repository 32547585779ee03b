//! Workers that are pods of a deployment of Kubernetes.

use std::time::Duration;

use async_trait::async_trait;
use sightscan_fleet::KubernetesConfig;
use sightscan_fleet::kubernetes::Deployment;
use tracing::info;

use super::{Target, ready};
use crate::study::{Error, Result, TargetPlan};

/// How long pods may take: their image may have to be pulled.
const PATIENCE: Duration = Duration::from_secs(600);

/// A deployment whose scale is set.
#[derive(Debug)]
pub struct Pods {
    deployment: Deployment,
    origin: String,
    /// The scale that it had before.
    before: u32,
}

impl Pods {
    /// The deployment that the plan names. It has the scale of now again when the experiment ends.
    ///
    /// # Errors
    /// When the plan names none, or the cluster does not answer.
    pub async fn open(plan: &TargetPlan) -> Result<Self> {
        let TargetPlan::Kubernetes { deployment, namespace, server, token_file, url, .. } = plan else {
            return Err(Error::Plan("--target kubernetes needs --deployment and --url".to_owned()));
        };
        let settings = KubernetesConfig {
            deployment: deployment.clone(),
            namespace: namespace.clone(),
            server: server.clone(),
            token_file: token_file.clone(),
            ..KubernetesConfig::default()
        };
        let connected = Deployment::connect(&settings, |name| std::env::var(name).ok());
        let deployment = connected.map_err(sightscan_fleet::Error::from)?;
        let before = deployment.replicas().await?;
        Ok(Self { deployment, origin: url.trim_end_matches('/').to_owned(), before })
    }
}

#[async_trait]
impl Target for Pods {
    fn origin(&self) -> &str {
        &self.origin
    }

    async fn scale(&mut self, workers: usize) -> Result<()> {
        let replicas = u32::try_from(workers).unwrap_or(u32::MAX);
        let pods = self.deployment.scale_to(replicas, PATIENCE).await?;
        info!(pods = pods.len(), "pods are ready");
        // Ready pods are not yet in every node's tables: only what answers can be measured.
        ready(&self.origin, workers, || Ok(())).await
    }

    async fn end(self: Box<Self>) -> Result<()> {
        self.deployment.scale_to(self.before, PATIENCE).await?;
        Ok(())
    }
}
