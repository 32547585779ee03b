//! Control groups of Linux, version 1 or 2, one a worker.

use std::path::{Path, PathBuf};

use tracing::debug;

use crate::config::PoolConfig;
use crate::error::{Error, Result};

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";
/// The time in which a quota of processor time is counted, in microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// What each worker of a pool may use, by a control group of its own.
#[derive(Debug)]
pub struct Limits {
    pool: String,
    version: Version,
    quota_us: Option<u64>,
    memory: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// A tree for each controller.
    One,
    /// One tree.
    Two,
}

impl Limits {
    /// The limits of a pool; none where it has none.
    ///
    /// # Errors
    /// When this machine lets nobody limit a process so.
    pub fn of(config: &PoolConfig) -> Result<Option<Self>> {
        if config.cpus.is_none() && config.memory_mb.is_none() {
            return Ok(None);
        }
        let version =
            if Path::new(ROOT).join("cgroup.controllers").exists() { Version::Two } else { Version::One };
        let limits = Self {
            pool: config.name.clone(),
            version,
            quota_us: config.cpus.map(|cpus| (cpus * PERIOD_US as f64).round() as u64),
            memory: config.memory_mb.map(|memory| memory << 20),
        };
        // Said at the start, and not when the first worker is wanted.
        limits.make("probe")?;
        limits.remove("probe");
        Ok(Some(limits))
    }

    /// Makes the group of a worker.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(&self, worker: &str) -> Result<()> {
        self.try_to_make(worker).map_err(|error| {
            self.remove(worker);
            Error::NoLimits { pool: self.pool.clone(), why: error.to_string() }
        })
    }

    fn try_to_make(&self, worker: &str) -> std::io::Result<()> {
        self.folders(worker).iter().try_for_each(fs_err::create_dir_all)?;
        match self.version {
            Version::One => {
                if let Some(quota) = self.quota_us {
                    let folder = self.folder("cpu", worker);
                    fs_err::write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
                    fs_err::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
                }
                if let Some(memory) = self.memory {
                    fs_err::write(
                        self.folder("memory", worker).join("memory.limit_in_bytes"),
                        memory.to_string(),
                    )?;
                }
            }
            Version::Two => {
                let folder = self.folder("", worker);
                if let Some(quota) = self.quota_us {
                    fs_err::write(folder.join("cpu.max"), format!("{quota} {PERIOD_US}"))?;
                }
                if let Some(memory) = self.memory {
                    fs_err::write(folder.join("memory.max"), memory.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// Puts a process into the group of its worker.
    ///
    /// # Errors
    /// When it cannot be put there; then it is not limited.
    pub fn enter(&self, worker: &str, pid: u32) -> Result<()> {
        for folder in self.folders(worker) {
            fs_err::write(folder.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    /// Removes the group of a worker that has ended.
    pub fn remove(&self, worker: &str) {
        for folder in self.folders(worker).iter().filter(|folder| folder.exists()) {
            if let Err(error) = fs_err::remove_dir(folder) {
                debug!(%error, "a control group stays");
            }
        }
    }

    /// Removes the group that holds those of the workers, once all of these are removed.
    pub fn forget_pool(&self) {
        for folder in self.trees().into_iter().map(|tree| self.pool_folder(tree)) {
            if let Err(error) = fs_err::remove_dir(folder) {
                debug!(%error, "the control group of a pool stays");
            }
        }
    }

    /// Removes the groups of all other workers of the pool.
    pub(crate) fn keep_only(&self, workers: &[&str]) {
        let entries =
            self.trees().into_iter().filter_map(|tree| fs_err::read_dir(self.pool_folder(tree)).ok());
        for entry in entries.flatten().flatten().filter(|entry| entry.path().is_dir()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !workers.contains(&name.as_str()) {
                self.remove(&name);
            }
        }
    }

    /// The folders that a worker's group has: one a tree.
    fn folders(&self, worker: &str) -> Vec<PathBuf> {
        self.trees().into_iter().map(|tree| self.folder(tree, worker)).collect()
    }

    /// The trees that limit something; version 2 has one for everything.
    fn trees(&self) -> Vec<&'static str> {
        match self.version {
            Version::Two => vec![""],
            Version::One => {
                let cpu = self.quota_us.map(|_| "cpu");
                cpu.into_iter().chain(self.memory.map(|_| "memory")).collect()
            }
        }
    }

    fn pool_folder(&self, tree: &str) -> PathBuf {
        Path::new(ROOT).join(tree).join(format!("sightscan-{}", self.pool))
    }

    fn folder(&self, tree: &str, worker: &str) -> PathBuf {
        self.pool_folder(tree).join(worker)
    }
}
