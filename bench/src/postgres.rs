//! A PostgreSQL cluster of this run's own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");

/// A cluster that waits for the disk, unlike those of the tests. It ends with the value.
pub(crate) struct Server {
    folder: TempDir,
    /// URL of its first database.
    pub(crate) url: String,
}

impl Server {
    /// Makes and starts it.
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // It runs as another user.
        fs_err::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let mut server = Self { folder, url: String::new() };
        server.url = script("start", server.folder.path())?;
        Ok(server)
    }

    /// Its version and durability, and an error where a commit would not wait for the disk.
    pub(crate) async fn durability(&self) -> Result<String> {
        let mut connection = PgConnection::connect(&self.url).await?;
        let (version, fsync, commit): (String, String, String) = sqlx::query_as(
            "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')",
        )
        .fetch_one(&mut connection)
        .await?;
        ensure!(fsync == "on" && commit == "on", "the cluster does not wait for the disk");
        Ok(format!("PostgreSQL {version}, fsync {fsync}, synchronous_commit {commit}"))
    }

    /// Writes what earlier turns have left to the disk, so that no turn pays for another one's.
    pub(crate) async fn settle(&self) -> Result<()> {
        sqlx::query("CHECKPOINT").execute(&mut PgConnection::connect(&self.url).await?).await?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about it here; the folder is deleted anyway.
        let _ = script("stop", self.folder.path());
    }
}

fn script(verb: &str, folder: &Path) -> Result<String> {
    let output = Command::new(SCRIPT).arg(verb).arg(folder).env("SIGHTSCAN_POSTGRES_FSYNC", "on").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Bytes of a database on the disk.
pub(crate) async fn database_size(url: &str) -> Result<u64> {
    let mut connection = PgConnection::connect(url).await?;
    let (size,): (i64,) =
        sqlx::query_as("SELECT pg_database_size(current_database())").fetch_one(&mut connection).await?;
    Ok(size.unsigned_abs())
}
