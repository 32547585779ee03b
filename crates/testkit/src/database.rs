//! Databases of both engines for tests, each empty and its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use sightscan_warehouse::{Address, Database};
use tempfile::TempDir;

/// A database that only one test uses.
#[derive(Debug)]
pub struct TestDatabase {
    /// It is open, with the newest schema.
    pub database: Database,
    /// Where it is, for other processes.
    pub url: String,
    _folder: Option<TempDir>,
}

impl TestDatabase {
    /// A SQLite file in a temporary folder.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        Self { database: open(&url).await, url, _folder: Some(folder) }
    }

    /// A database in the PostgreSQL cluster that `SIGHTSCAN_TEST_POSTGRES` names.
    ///
    /// # Panics
    /// When there is no cluster: these tests are never skipped.
    pub async fn postgres() -> Self {
        let server = std::env::var("SIGHTSCAN_TEST_POSTGRES").expect(
            "SIGHTSCAN_TEST_POSTGRES is not set: run scripts/test, \
             or export SIGHTSCAN_TEST_POSTGRES=$(scripts/postgres start FOLDER)",
        );
        let url = new_database(&server).await;
        Self { database: open(&url).await, url, _folder: None }
    }
}

/// Makes a database with a name of its own in the cluster of `server` and gives its URL.
///
/// # Panics
/// When the cluster does not answer.
pub async fn new_database(server: &str) -> String {
    use sqlx::Connection as _;
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let mut connection = sqlx::PgConnection::connect(server).await.expect("the cluster of the tests answers");
    let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(statement).execute(&mut connection).await.expect("a database is made");
    connection.close().await.expect("the connection ends");
    let (cluster, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{cluster}/{name}")
}

/// Inserts a row into `load_images` as a database tool would, without any code of the warehouse.
///
/// # Panics
/// When the database refuses.
pub async fn insert_arrival(url: &str, picture: &[u8], city: &str, source: &str) {
    use sqlx::Connection as _;
    let text = "INSERT INTO load_images (image, city, source) VALUES ($1, $2, $3)";
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(path).await.expect("the file opens");
        let query = sqlx::query(text).bind(picture).bind(city).bind(source);
        query.execute(&mut connection).await.expect("the row is inserted");
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.expect("the database answers");
        let query = sqlx::query(text).bind(picture).bind(city).bind(source);
        query.execute(&mut connection).await.expect("the row is inserted");
    }
}

/// The first column of what a query finds, as a database tool would show it.
///
/// # Panics
/// When the database refuses.
pub async fn texts(url: &str, query: &'static str) -> Vec<String> {
    use sqlx::Connection as _;
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(path).await.expect("the file opens");
        sqlx::query_scalar(query).fetch_all(&mut connection).await.expect("rows of text")
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.expect("the database answers");
        sqlx::query_scalar(query).fetch_all(&mut connection).await.expect("rows of text")
    }
}

async fn open(url: &str) -> Database {
    let address: Address = url.parse().expect("an address");
    Database::open(&address).await.expect("the database opens")
}

/// A PostgreSQL cluster of one test's own, for tests that kill it. It ends with the value.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    /// URL of its first database.
    pub url: String,
}

impl Cluster {
    /// Makes and starts a cluster.
    ///
    /// # Panics
    /// When PostgreSQL is missing or does not start.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Its server runs as another user.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(folder.path(), open).expect("the folder can be entered");
        let mut cluster = Self { folder, url: String::new() };
        cluster.url = cluster.script("start");
        cluster
    }

    /// Kills the server without a warning (SIGKILL), as a power cut of its machine would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        let file = self.folder.path().join("data/postmaster.pid");
        let text = fs_err::read_to_string(file).expect("the server runs");
        let pid = text.lines().next().expect("a process id");
        let killed = Command::new("kill").args(["-9", pid]).status().expect("kill runs");
        assert!(killed.success(), "the server {pid} could not be killed");
    }

    /// Starts the server again after [`Cluster::kill`]; it recovers what was committed. The processes of the dead
    /// server hold its memory until they have noticed its death: until then it refuses to start.
    ///
    /// # Panics
    /// When it does not start within a minute.
    pub fn restart(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(log) = self.run("start") {
            assert!(Instant::now() < deadline, "{log}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn script(&self, verb: &str) -> String {
        self.run(verb).unwrap_or_else(|log| panic!("{log}"))
    }

    /// What the script prints, or what it complains of.
    fn run(&self, verb: &str) -> Result<String, String> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres");
        let output =
            Command::new(script).arg(verb).arg(self.folder.path()).output().expect("the script runs");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8(output.stdout).expect("text").trim().to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// Makes each contract (an `async fn(TestDatabase)`) a test on SQLite and one on PostgreSQL.
#[macro_export]
macro_rules! on_both_engines {
    ($($contract:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::$contract($crate::database::TestDatabase::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $contract() {
                super::$contract($crate::database::TestDatabase::postgres().await).await;
            })+
        }
    };
}
