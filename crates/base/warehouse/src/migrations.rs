//! The schema's versions: files in `migrations/`, each with its way up and its way down.
//!
//! The same text serves both engines; [`Dialect::spell`] fills in the few words that differ. A migration runs in a
//! transaction of its own, under a lock: PostgreSQL's advisory lock, or a lock file beside the SQLite file.

use std::path::{Path, PathBuf};

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Acquire, AssertSqlSafe, SqlSafeStr};

use crate::{Dialect, Error, Result};

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// Counts from 1.
    pub number: i64,
    /// What it adds.
    pub name: &'static str,
    up: &'static str,
    down: &'static str,
}

macro_rules! version {
    ($number:literal, $name:literal) => {
        Version {
            number: $number,
            name: $name,
            up: include_str!(concat!("../migrations/", $number, "_", $name, ".up.sql")),
            down: include_str!(concat!("../migrations/", $number, "_", $name, ".down.sql")),
        }
    };
}

/// All versions, the oldest first. One that was released is never edited.
const VERSIONS: &[Version] = &[
    version!(1, "settings"),
    version!(2, "cities"),
    version!(3, "pictures"),
    version!(4, "jobs"),
    version!(5, "crawls"),
    version!(6, "labelling"),
    version!(7, "reviews"),
    version!(8, "training"),
    version!(9, "registry"),
    version!(10, "queues"),
];

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The version that the schema has now; 0 is an empty database.
    pub version: i64,
    /// The versions that were added (going up) or taken away (going down).
    pub applied: Vec<i64>,
}

/// The whole schema as SQL, for those who use a database tool.
pub fn schema(dialect: Dialect) -> String {
    let mut text = format!("-- SightScan, schema version {}, for {}\n", newest(), dialect.name());
    for version in VERSIONS {
        text += &format!("\n-- {} {}\n{}", version.number, version.name, dialect.spell(version.up));
    }
    text
}

fn newest() -> i64 {
    VERSIONS.last().map_or(0, |version| version.number)
}

fn migrator(dialect: Dialect) -> Migrator {
    let ways = VERSIONS.iter().flat_map(|version| {
        let way = |kind, text| {
            let text = AssertSqlSafe(dialect.spell(text)).into_sql_str();
            Migration::new(version.number, version.name.into(), kind, text, false)
        };
        [way(MigrationType::ReversibleUp, version.up), way(MigrationType::ReversibleDown, version.down)]
    });
    Migrator::with_migrations(ways.collect())
}

/// Runs the migrations between the version that is there and the one that is wanted.
pub(crate) async fn migrate<'p, DB>(
    pool: &'p sqlx::Pool<DB>,
    dialect: Dialect,
    target: Option<i64>,
) -> Result<Migrated>
where
    DB: sqlx::Database,
    DB::Connection: sqlx::migrate::Migrate,
    &'p sqlx::Pool<DB>: Acquire<'p, Database = DB>,
{
    let mut migrator = migrator(dialect);
    if dialect == Dialect::Sqlite {
        // The driver has no lock for SQLite; the lock file is ours.
        migrator.set_locking(false);
    }
    let before = applied(pool, &migrator).await?;
    let found = before.last().copied().unwrap_or(0);
    if found > newest() {
        return Err(Error::NewerSchema { found, known: newest() });
    }
    let target = target.unwrap_or_else(newest);
    if target < found {
        migrator.undo(pool, target).await.map_err(explain)?;
    } else {
        migrator.run_to(target, pool).await.map_err(explain)?;
    }
    let after = applied(pool, &migrator).await?;
    let changed =
        |one: &[i64], other: &[i64]| one.iter().filter(|n| !other.contains(n)).copied().collect::<Vec<_>>();
    let applied = if target < found { changed(&before, &after) } else { changed(&after, &before) };
    Ok(Migrated { version: after.last().copied().unwrap_or(0), applied })
}

/// The versions that the database has, in order.
async fn applied<DB>(pool: &sqlx::Pool<DB>, migrator: &Migrator) -> Result<Vec<i64>>
where
    DB: sqlx::Database,
    DB::Connection: sqlx::migrate::Migrate,
{
    use sqlx::migrate::Migrate as _;
    let mut connection = pool.acquire().await?;
    // Even `CREATE TABLE IF NOT EXISTS` fails in PostgreSQL where two do it at once.
    connection.lock().await.map_err(Error::Migrate)?;
    let listed = async {
        connection.ensure_migrations_table(&migrator.table_name).await?;
        connection.list_applied_migrations(&migrator.table_name).await
    };
    let applied = listed.await;
    connection.unlock().await.map_err(Error::Migrate)?;
    Ok(applied.map_err(Error::Migrate)?.iter().map(|migration| migration.version).collect())
}

/// Somebody with a newer program may migrate between our look and our run.
fn explain(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(found) => Error::NewerSchema { found, known: newest() },
        other => Error::Migrate(other),
    }
}

/// Holds the lock of a SQLite file's migrations until it is dropped.
pub(crate) async fn lock_file(database: &Path) -> Result<fs_err::File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let lock = move || {
        let file = fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let locked = file.and_then(|file| file.file().lock().map(|()| file));
        locked.map_err(|source| Error::Folder { path, source })
    };
    tokio::task::spawn_blocking(lock)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_and_each_has_a_way_down() {
        for (index, version) in VERSIONS.iter().enumerate() {
            assert_eq!(version.number, index as i64 + 1);
            assert!(!version.down.trim().is_empty(), "{} has no way down", version.name);
        }
    }

    #[test]
    fn the_schema_is_spelt_for_the_engine() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let text = schema(dialect);
            assert!(!["{bytes}", "{random_id}", "{now}"].iter().any(|word| text.contains(word)), "{text}");
        }
    }
}
