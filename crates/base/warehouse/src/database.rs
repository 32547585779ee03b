//! Connections: pools, transactions, and the database's clock.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, Sqlite, SqlitePool};
use tracing::info;

use crate::address::Address;
use crate::migrations;
use crate::statement::{Link, Linked, sql};
use crate::{Dialect, Error, Result};

/// Readers, and on PostgreSQL writers as well, of one process.
const CONNECTIONS: u32 = 16;
/// How long a statement waits for a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long a connection is believed to work after it did (PostgreSQL).
const BELIEVED: Duration = Duration::from_secs(1);
/// How long a writer waits for those of other processes (SQLite).
const BUSY: Duration = Duration::from_secs(60);

/// A database that is open. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pools: Pools,
    clock: Arc<Clock>,
    known_hour: Arc<AtomicI64>,
}

#[derive(Debug, Clone)]
enum Pools {
    /// SQLite has one writer at a time: those of this process queue for one connection, which is fair, and only
    /// processes compete for the file's lock.
    Sqlite {
        readers: SqlitePool,
        writer: SqlitePool,
    },
    Postgres(PgPool),
}

/// The database's time, so that leases mean the same on every machine and survive a clock that is set.
#[derive(Debug)]
struct Clock {
    database_ms: i64,
    at: Instant,
}

/// A connection for reading: each statement sees what is committed when it runs.
#[derive(Debug)]
pub struct Session(Connection);

#[derive(Debug)]
enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A writing transaction; dropped without [`Transaction::commit`], it is rolled back.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction(Begun);

#[derive(Debug)]
enum Begun {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Database {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be reached, was written by a newer program, or a migration fails (which changes nothing).
    pub async fn open(address: &Address) -> Result<Self> {
        let database = Self::open_as_it_is(address).await?;
        let migrated = database.migrate(None).await?;
        if !migrated.applied.is_empty() {
            info!(database = %address, version = migrated.version, "database schema is up to date");
        }
        Ok(database)
    }

    /// Opens the database without touching its schema.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn open_as_it_is(address: &Address) -> Result<Self> {
        let pools = match address {
            Address::Sqlite(path) => sqlite(path).await,
            Address::Postgres(options) => postgres(options).await,
        };
        let pools = pools.map_err(|error| match error {
            Error::Statement(source) => Error::Open { address: address.to_string(), source },
            other => other,
        })?;
        let clock = Arc::new(Clock { database_ms: 0, at: Instant::now() });
        let mut database = Self { pools, clock, known_hour: Arc::new(AtomicI64::new(i64::MIN)) };
        let (database_ms,): (i64,) =
            sql(database.dialect().now()).one(&mut database.session().await?).await?;
        database.clock = Arc::new(Clock { database_ms, at: Instant::now() });
        Ok(database)
    }

    /// Which engine it is.
    pub fn dialect(&self) -> Dialect {
        match &self.pools {
            Pools::Sqlite { .. } => Dialect::Sqlite,
            Pools::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The time by the database's clock, in milliseconds since 1970-01-01 UTC.
    pub fn now(&self) -> i64 {
        self.clock.database_ms + i64::try_from(self.clock.at.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The hour of the time dimension that was last seen to be there.
    pub(crate) fn known_hour(&self) -> &AtomicI64 {
        &self.known_hour
    }

    /// A connection to read from.
    ///
    /// # Errors
    /// When none comes free in time or the server is gone.
    pub async fn session(&self) -> Result<Session> {
        Ok(Session(match &self.pools {
            Pools::Sqlite { readers, .. } => Connection::Sqlite(readers.acquire().await?),
            Pools::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
        }))
    }

    /// Begins a writing transaction.
    ///
    /// # Errors
    /// When no connection or lock is had in time.
    pub async fn begin(&self) -> Result<Transaction> {
        self.begin_with(self.dialect().begin()).await
    }

    /// As [`Database::begin`], and keeps the collector of blobs out until the transaction ends.
    ///
    /// # Errors
    /// As [`Database::begin`].
    pub(crate) async fn begin_without_collection(&self) -> Result<Transaction> {
        self.begin_with(self.dialect().begin_without_collection()).await
    }

    async fn begin_with(&self, statement: &'static str) -> Result<Transaction> {
        Ok(Transaction(match &self.pools {
            Pools::Sqlite { writer, .. } => Begun::Sqlite(writer.begin_with(statement).await?),
            Pools::Postgres(pool) => Begun::Postgres(pool.begin_with(statement).await?),
        }))
    }

    /// Moves the schema up to the newest version, or up or down to `target`; 0 takes everything away.
    ///
    /// # Errors
    /// When the schema is newer than this program, the target is unknown, or a migration fails.
    pub async fn migrate(&self, target: Option<i64>) -> Result<migrations::Migrated> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => {
                let _lock = migrations::lock_file(writer.connect_options().get_filename()).await?;
                migrations::migrate(writer, Dialect::Sqlite, target).await
            }
            Pools::Postgres(pool) => migrations::migrate(pool, Dialect::Postgres, target).await,
        }
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<()> {
        sql(self.dialect().now()).one::<(i64,)>(&mut self.session().await?).await.map(drop)
    }

    /// Something that hears notifications, where the engine has them.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn listener(&self, channel: &str) -> Result<Option<Listener>> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(channel).await?;
        Ok(Some(Listener(listener)))
    }

    /// Closes all connections; waits for those that are in use.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { readers, writer } => {
                readers.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// Hears `NOTIFY` on one channel of PostgreSQL.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// Waits for a notification; it also returns after a lost connection came back, since one may have been missed.
    ///
    /// # Errors
    /// When the connection is lost for good.
    pub async fn heard(&mut self) -> Result<()> {
        self.0.try_recv().await?;
        Ok(())
    }
}

impl Transaction {
    /// Makes everything durable that was done in it.
    ///
    /// # Errors
    /// When the database refuses; then nothing was done.
    pub async fn commit(self) -> Result<()> {
        match self.0 {
            Begun::Sqlite(transaction) => transaction.commit().await?,
            Begun::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    /// Undoes everything that was done in it.
    ///
    /// # Errors
    /// When the connection is lost; then nothing was done either.
    pub async fn rollback(self) -> Result<()> {
        match self.0 {
            Begun::Sqlite(transaction) => transaction.rollback().await?,
            Begun::Postgres(transaction) => transaction.rollback().await?,
        }
        Ok(())
    }

    /// Which engine it is.
    pub fn dialect(&self) -> Dialect {
        match &self.0 {
            Begun::Sqlite(_) => Dialect::Sqlite,
            Begun::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Tells the listeners of a channel, once the transaction is committed; nobody hears it on SQLite.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn notify(&mut self, channel: &str) -> Result<()> {
        if self.dialect() == Dialect::Postgres {
            sql("SELECT pg_notify($1, '')").bind(channel).execute(self).await?;
        }
        Ok(())
    }
}

impl Linked for Session {
    fn link(&mut self) -> Link<'_> {
        match &mut self.0 {
            Connection::Sqlite(connection) => Link::Sqlite(connection),
            Connection::Postgres(connection) => Link::Postgres(connection),
        }
    }
}

impl Linked for Transaction {
    fn link(&mut self) -> Link<'_> {
        match &mut self.0 {
            Begun::Sqlite(transaction) => Link::Sqlite(transaction),
            Begun::Postgres(transaction) => Link::Postgres(transaction),
        }
    }
}

async fn sqlite(path: &Path) -> Result<Pools> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.to_owned(), source })?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was answered survives a power cut, not only a crash.
        .synchronous(SqliteSynchronous::Full);
    // The first connection makes the file and its WAL mode alone: doing so at once from several is refused as busy.
    let _lock = migrations::lock_file(path).await?;
    // A file does not hang up: asking a connection first whether it works costs as much as a statement.
    let pool = || SqlitePoolOptions::new().acquire_timeout(PATIENCE).test_before_acquire(false);
    let writer = pool().max_connections(1).acquire_timeout(BUSY).connect_with(options.clone()).await?;
    let readers = pool().max_connections(CONNECTIONS).connect_with(options).await?;
    Ok(Pools::Sqlite { readers, writer })
}

async fn postgres(options: &sqlx::postgres::PgConnectOptions) -> Result<Pools> {
    // No transaction of ours takes minutes: one that does has lost its client.
    let limits = [
        ("statement_timeout", "60s"),
        ("lock_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "60s"),
    ];
    let options = options.clone().application_name("sightscan").options(limits);
    // A pool tries for as long as it may; somebody who waits at a prompt wants to know at once.
    options.connect().await?.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection, used| Box::pin(is_alive(connection, used.idle_for)));
    Ok(Pools::Postgres(pool.connect_with(options).await?))
}

/// Whether a pooled connection still works. One that was used a moment ago is believed to: asking costs as much as a
/// statement.
async fn is_alive(connection: &mut PgConnection, idle_for: Duration) -> sqlx::Result<bool> {
    Ok(idle_for < BELIEVED || connection.ping().await.is_ok())
}
