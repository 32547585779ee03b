//! Control groups of Linux, version 1 or 2, one a worker.

use std::path::{Path, PathBuf};

use tracing::debug;

use crate::config::PoolConfig;
use crate::error::{Error, Result};

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";
/// In version 2, the file that tells which controllers there are.
const CONTROLLERS: &str = "cgroup.controllers";
/// The time in which a quota of processor time is counted, in microseconds: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// What each worker of a pool may use, by a control group of its own.
#[derive(Debug)]
pub struct Limits {
    root: PathBuf,
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
        let limits = Self::below(Path::new(ROOT), config);
        // Said at the start, and not when the first worker is wanted.
        limits.make("probe")?;
        limits.remove("probe");
        Ok(Some(limits))
    }

    fn below(root: &Path, config: &PoolConfig) -> Self {
        let is_two = root.join(CONTROLLERS).exists();
        Self {
            root: root.to_owned(),
            pool: config.name.clone(),
            version: if is_two { Version::Two } else { Version::One },
            quota_us: config.cpus.map(|cpus| (cpus * PERIOD_US as f64).round() as u64),
            memory: config.memory_mb.map(|memory| memory << 20),
        }
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
        if self.version == Version::Two {
            self.hand_down()?;
        }
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

    /// Lets the groups of workers limit what this pool limits. In version 2 each group says what those below it may, see
    /// <https://docs.kernel.org/admin-guide/cgroup-v2.html#enabling-and-disabling>.
    fn hand_down(&self) -> std::io::Result<()> {
        let pool = self.pool_folder("");
        fs_err::create_dir_all(&pool)?;
        let cpu = self.quota_us.map(|_| "cpu");
        let wanted: Vec<&str> = cpu.into_iter().chain(self.memory.map(|_| "memory")).collect();
        for folder in [&self.root, &pool] {
            let file = folder.join("cgroup.subtree_control");
            let there = fs_err::read_to_string(&file)?;
            for controller in wanted.iter().filter(|name| there.split_whitespace().all(|have| have != **name))
            {
                fs_err::write(&file, format!("+{controller}"))?;
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
        self.root.join(tree).join(format!("sightscan-{}", self.pool))
    }

    fn folder(&self, tree: &str, worker: &str) -> PathBuf {
        self.pool_folder(tree).join(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2 by files: the kernel makes those of a group with it.
    #[test]
    fn in_version_2_the_groups_above_hand_down_what_is_limited() {
        let root = tempfile::tempdir().unwrap();
        let read = |path: &str| fs_err::read_to_string(root.path().join(path)).unwrap();
        let config =
            PoolConfig { name: "p".into(), cpus: Some(0.5), memory_mb: Some(64), ..PoolConfig::default() };
        fs_err::write(root.path().join(CONTROLLERS), "cpuset cpu io memory").unwrap();
        fs_err::write(root.path().join("cgroup.subtree_control"), "cpuset cpu memory").unwrap();
        fs_err::create_dir_all(root.path().join("sightscan-p")).unwrap();
        let pool_control = root.path().join("sightscan-p/cgroup.subtree_control");
        fs_err::write(&pool_control, "cpu").unwrap();
        let limits = Limits::below(root.path(), &config);
        limits.try_to_make("w1").unwrap();
        assert_eq!(read("cgroup.subtree_control"), "cpuset cpu memory", "what is there is not asked for");
        assert_eq!(read("sightscan-p/cgroup.subtree_control"), "+memory");
        assert_eq!(
            (read("sightscan-p/w1/cpu.max"), read("sightscan-p/w1/memory.max")),
            ("50000 100000".into(), "67108864".into())
        );
        fs_err::remove_file(&pool_control).unwrap();
        assert!(limits.try_to_make("w2").is_err(), "nothing runs that would not be limited");
    }
}
