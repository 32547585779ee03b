//! Machines that are made for a pool, and end by themselves.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use base64_simd::STANDARD;
use tracing::info;

use crate::config::{Ec2Config, PoolConfig};
use crate::driver::{Driver, Member, State};
use crate::ec2::answer::{Instance, Reservation};
use crate::ec2::call::Call;
use crate::ec2::client::Client;
use crate::ec2::fault::Fault;
use crate::ec2::user_data;
use crate::error::{Error, Result};

/// The tag that says to which pool a machine belongs.
const POOL: &str = "sightscan:pool";
/// States of machines that are there.
const STATES: [&str; 4] = ["pending", "running", "shutting-down", "stopping"];
/// What was started may not be described for a moment: so long it counts all the same.
/// See <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>.
const UNSEEN: Duration = Duration::from_mins(1);
/// A machine that is still there when nothing was to be done for so long does not end by itself.
const UNUSED: Duration = Duration::from_mins(10);

/// Starts workers as machines of EC2, from an image or a launch template.
#[derive(Debug)]
pub struct Ec2Driver {
    pool: String,
    client: Client,
    config: PoolConfig,
    /// Those that were started, and when, until they are described.
    started: Mutex<HashMap<String, Instant>>,
    /// A start of which nobody knows what became of it.
    open: Mutex<Option<Start>>,
    /// Those that run for longer than one may, by the last look.
    overdue: Mutex<Vec<String>>,
}

/// So many machines; with the same token they are started once, however often it is asked for.
#[derive(Debug, Clone)]
struct Start {
    count: usize,
    token: String,
    at: Instant,
}

impl Start {
    fn new(count: usize) -> Self {
        Self { count, token: format!("{:032x}", fastrand::u128(..)), at: Instant::now() }
    }
}

impl Ec2Driver {
    /// A driver for a pool. `variable` looks up the variables that Amazon's clients read.
    ///
    /// # Errors
    /// When this machine cannot make connections at all.
    pub async fn open(config: &PoolConfig, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let (pool, config) = (config.name.clone(), config.clone());
        let client = Client::open(variable).await?;
        let (started, open, overdue) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { pool, client, config, started, open, overdue })
    }

    fn started(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, start: &Start) -> Result<Call> {
        let machine = self.config.ec2();
        let user_data = user_data(&self.config, &machine)?.map(|text| STANDARD.encode_to_string(text));
        let Ec2Config { image, launch_template, launch_template_version, .. } = &machine;
        let by_id = launch_template.as_deref().is_some_and(|name| name.starts_with("lt-"));
        let template =
            if by_id { "LaunchTemplate.LaunchTemplateId" } else { "LaunchTemplate.LaunchTemplateName" };
        let profile = machine.instance_profile.as_deref();
        let by_arn = profile.is_some_and(|name| name.starts_with("arn:"));
        let profile_name = if by_arn { "IamInstanceProfile.Arn" } else { "IamInstanceProfile.Name" };
        let call = Call::new("RunInstances")
            .with("MinCount", "1")
            .with("MaxCount", start.count.to_string())
            .with("ClientToken", &*start.token)
            // Whoever powers off is gone, and costs nothing any more.
            .with("InstanceInitiatedShutdownBehavior", "terminate")
            .with_some("ImageId", image.as_deref())
            .with_some(template, launch_template.as_deref())
            .with_some("LaunchTemplate.Version", launch_template_version.as_deref())
            .with_some("InstanceType", machine.instance_type.as_deref())
            .with_some("SubnetId", machine.subnet.as_deref())
            .list("SecurityGroupId", machine.security_groups.iter().map(String::as_str))
            .with_some(profile_name, profile)
            .with_some("UserData", user_data.as_deref())
            // Only whoever is on the machine reads its role's keys: not a page that it is made to fetch.
            .with_some("MetadataOptions.HttpTokens", launch_template.is_none().then_some("required"))
            .with("TagSpecification.1.ResourceType", "instance")
            .tags(
                "TagSpecification.1.Tag",
                &[("Name", &format!("sightscan-{}", self.pool)), (POOL, &self.pool)],
            );
        Ok(call)
    }

    /// The start whose end is not known, which makes nothing twice; else a new one. After a while its machines would be described.
    fn next(&self, count: usize) -> Start {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        open.filter(|open| open.at.elapsed() < UNSEEN).unwrap_or_else(|| Start::new(count))
    }

    /// Those that run for longer than one may.
    fn past_deadline(&self, described: &[Instance]) -> Vec<String> {
        let longest = Duration::from_mins(self.config.ec2().deadline_minutes.into());
        let is_over = |launched: SystemTime| launched.elapsed().is_ok_and(|ran| ran > longest);
        let overdue = described.iter().filter(|instance| {
            ["pending", "running"].contains(&&*instance.instance_state.name)
                && instance.launched().is_some_and(is_over)
        });
        overdue.map(|instance| instance.instance_id.clone()).collect()
    }

    /// Those that were started and are not described yet; they are forgotten when they have been, or after a while.
    fn unseen(&self, described: &[Member]) -> Vec<Member> {
        let mut started = self.started();
        started.retain(|id, at| at.elapsed() < UNSEEN && described.iter().all(|member| member.id != *id));
        started.keys().map(|id| member(id.clone(), State::Starting)).collect()
    }
}

#[async_trait]
impl Driver for Ec2Driver {
    async fn members(&self) -> Result<Vec<Member>> {
        let described = self.client.tagged(POOL, &self.pool, &STATES).await?;
        *self.overdue.lock().unwrap_or_else(PoisonError::into_inner) = self.past_deadline(&described);
        let mut members: Vec<Member> = described.into_iter().filter_map(known).collect();
        members.extend(self.unseen(&members));
        members.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(members)
    }

    /// Where Amazon has not as many, those that it has are started.
    async fn start(&self, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let start = self.next(count);
        let made: Result<Reservation, Fault> = self.client.ask(&self.call(&start)?).await;
        if made.as_ref().is_err_and(Fault::is_open) {
            *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(start);
        }
        for Instance { instance_id, .. } in made?.instances_set.item {
            info!(pool = self.pool, instance = instance_id, "machine starts");
            self.started().insert(instance_id, Instant::now());
        }
        Ok(())
    }

    /// Terminates machines. A pool drains only idle ones: here those that are left when there has been nothing to do for long.
    async fn drain(&self, ids: &[String]) -> Result<()> {
        info!(pool = self.pool, instances = ids.join(","), "machines are terminated");
        Ok(self.client.act("TerminateInstances", ids).await?)
    }

    fn overdue(&self) -> Vec<String> {
        self.overdue.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_asking_costly(&self) -> bool {
        true
    }

    fn unused_after(&self) -> Option<Duration> {
        Some(UNUSED)
    }
}

/// What cloud-init is told: the file that is configured, else for an image the worker of the pool. A template has its own.
fn user_data(config: &PoolConfig, machine: &Ec2Config) -> Result<Option<String>> {
    let text = match &machine.user_data {
        Some(file) => Some(fs_err::read_to_string(file)?),
        None => machine.launch_template.is_none().then(|| user_data::of(config)),
    };
    if text.as_ref().is_some_and(|text| text.len() > user_data::GREATEST) {
        let why = format!("its `user_data` has more than the {} bytes that EC2 takes", user_data::GREATEST);
        return Err(Error::Config { pool: config.name.clone(), why });
    }
    Ok(text)
}

/// A machine as a worker; none where it is gone. Nobody knows whether one that runs has something to do: it ends by itself when it
/// has not.
fn known(instance: Instance) -> Option<Member> {
    let state = match &*instance.instance_state.name {
        "pending" => State::Starting,
        "running" => State::Busy,
        "shutting-down" | "stopping" => State::Draining,
        _ => return None,
    };
    Some(member(instance.instance_id, state))
}

fn member(id: String, state: State) -> Member {
    Member { id, state, ended: 0, service_ms: None }
}
