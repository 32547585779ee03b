//! One prepared machine that is switched on for work and off after it, and never terminated.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use tracing::{info, warn};

use crate::config::PoolConfig;
use crate::driver::{Driver, Member, State};
use crate::ec2::answer::{Instance, time};
use crate::ec2::call::Call;
use crate::ec2::client::Client;
use crate::ec2::fault::Fault;
use crate::error::Result;

/// The tag that says until when the machine may run.
const DEADLINE: &str = "sightscan:deadline";
/// How often it is tried to switch the machine on, and the pause before the second time.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// What was asked for may not be described for a moment: so long it counts all the same.
const UNSEEN: Duration = Duration::from_mins(1);

/// Switches one prepared machine on and off.
#[derive(Debug)]
pub struct Ec2InstanceDriver {
    pool: String,
    client: Client,
    id: String,
    longest: Duration,
    seen: Mutex<Seen>,
}

/// What is known between two looks.
#[derive(Debug, Default)]
struct Seen {
    /// What was asked for last, and when, until it is described.
    asked: Option<(Asked, Instant)>,
    is_overdue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    On,
    Off,
}

impl Ec2InstanceDriver {
    /// A driver for a pool. `variable` looks up the variables that Amazon's clients read.
    ///
    /// # Errors
    /// When this machine cannot make connections at all.
    pub async fn open(config: &PoolConfig, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let ec2 = config.ec2();
        Ok(Self {
            pool: config.name.clone(),
            client: Client::open(variable).await?,
            id: ec2.instance.unwrap_or_default(),
            longest: Duration::from_mins(ec2.deadline_minutes.into()),
            seen: Mutex::default(),
        })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn describe(&self) -> Result<Instance, Fault> {
        let call = Call::new("DescribeInstances").list("InstanceId", [&*self.id]);
        self.client.describe(&call).await?.pop().ok_or_else(|| Fault::Gone(self.id.clone()))
    }

    /// The deadline is written first: what cannot be released is not switched on.
    async fn switch_on(&self) -> Result<(), Fault> {
        let deadline = written(SystemTime::now() + self.longest);
        self.client.tag(&self.id, DEADLINE, &deadline).await?;
        self.client.act("StartInstances", std::slice::from_ref(&self.id)).await?;
        self.seen().asked = Some((Asked::On, Instant::now()));
        info!(pool = self.pool, instance = self.id, deadline, "machine is switched on");
        Ok(())
    }

    /// What it does, with what was asked for and may not be described yet.
    fn note(&self, instance: &Instance) -> Option<State> {
        let told = state(&instance.instance_state.name);
        let mut seen = self.seen();
        seen.asked = seen.asked.filter(|(asked, at)| at.elapsed() < UNSEEN && !asked.is_seen(told));
        let state = match (seen.asked, told) {
            (Some((Asked::On, _)), _) => Some(State::Starting),
            (Some((Asked::Off, _)), _) => Some(State::Draining),
            (None, told) => told,
        };
        // What is not described yet comes with the deadline of the time before.
        let is_on = seen.asked.is_none() && matches!(state, Some(State::Starting | State::Busy));
        seen.is_overdue = is_on && SystemTime::now() > self.deadline(instance);
        state
    }

    /// When it must be off: as its tag says, where that was written for this time, else as long after it came up as it may run.
    fn deadline(&self, instance: &Instance) -> SystemTime {
        let launched = instance.launched().unwrap_or_else(SystemTime::now);
        let told = instance.tag(DEADLINE).and_then(time).filter(|told| *told > launched);
        told.unwrap_or(launched + self.longest)
    }
}

impl Asked {
    /// Whether the description shows what was asked for.
    fn is_seen(self, told: Option<State>) -> bool {
        match self {
            Self::On => told.is_some(),
            Self::Off => matches!(told, None | Some(State::Draining)),
        }
    }
}

#[async_trait]
impl Driver for Ec2InstanceDriver {
    async fn members(&self) -> Result<Vec<Member>> {
        let instance = self.describe().await?;
        if instance.instance_state.name == "terminated" {
            return Err(Fault::Gone(self.id.clone()).into());
        }
        let member = |state| Member { id: self.id.clone(), state, ended: 0, service_ms: None };
        Ok(self.note(&instance).map(member).into_iter().collect())
    }

    async fn start(&self, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let mut tried = 1;
        loop {
            match self.switch_on().await {
                Err(fault) if tried < TRIES => {
                    warn!(pool = self.pool, tried, %fault, "machine is not switched on")
                }
                switched => return Ok(switched?),
            }
            tokio::time::sleep(PAUSE * tried).await;
            tried += 1;
        }
    }

    /// Switches the machine off.
    async fn drain(&self, ids: &[String]) -> Result<()> {
        self.client.act("StopInstances", ids).await?;
        self.seen().asked = Some((Asked::Off, Instant::now()));
        info!(pool = self.pool, instance = self.id, "machine is switched off");
        Ok(())
    }

    fn overdue(&self) -> Vec<String> {
        if self.seen().is_overdue { vec![self.id.clone()] } else { Vec::new() }
    }

    fn is_asking_costly(&self) -> bool {
        true
    }

    /// There is but one: what nobody works on is not worked on by it.
    fn unused_after(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

/// What a machine does as a worker; none where it is off.
fn state(name: &str) -> Option<State> {
    match name {
        "pending" => Some(State::Starting),
        "running" => Some(State::Busy),
        "shutting-down" | "stopping" => Some(State::Draining),
        _ => None,
    }
}

/// A time for people to read: to the second, in UTC.
fn written(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = DateTime::from_timestamp(i64::try_from(seconds).unwrap_or(i64::MAX), 0);
    time.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_ec2() {
        let time = time("2018-05-08T16:46:19.000Z").unwrap();
        assert_eq!(written(time), "2018-05-08T16:46:19Z");
        assert_eq!(super::time("soon"), None);
    }

    #[test]
    fn what_was_asked_for_counts_until_it_is_described() {
        use State::{Busy, Draining, Starting};
        let seen =
            |asked: Asked| [None, Some(Starting), Some(Busy), Some(Draining)].map(|told| asked.is_seen(told));
        assert_eq!(seen(Asked::On), [false, true, true, true]);
        assert_eq!(seen(Asked::Off), [true, false, false, true]);
    }
}
