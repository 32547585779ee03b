//! An equivalent of the original's warehouse, see `original.sql`.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sightscan_testkit::database::new_database;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::Mutex;

use super::picture::{HEIGHT, Picture, WIDTH};
use crate::postgres::database_size;

const SCHEMA: &str = include_str!("original.sql");

/// A database with the original's schema and one city.
pub(super) struct Original {
    url: String,
    city: String,
    connections: Connections,
}

/// How its clients connect.
enum Connections {
    /// As the original's do: anew for each statement.
    PerStatement,
    /// Each client has one that stays.
    Persistent(Vec<Mutex<PgConnection>>),
}

impl Original {
    /// With a new connection for each statement.
    pub(super) async fn as_it_works(server: &str, city: &str) -> Result<Self> {
        Ok(Self { url: schema(server).await?, city: city.to_owned(), connections: Connections::PerStatement })
    }

    /// With a connection for each client.
    pub(super) async fn on_persistent_connections(server: &str, city: &str, clients: usize) -> Result<Self> {
        let url = schema(server).await?;
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Mutex::new(PgConnection::connect(&url).await?));
        }
        Ok(Self { url, city: city.to_owned(), connections: Connections::Persistent(connections) })
    }

    /// Inserts a picture; the database commits by itself.
    pub(super) async fn store(&self, client: usize, picture: &Picture) -> Result<()> {
        match &self.connections {
            Connections::Persistent(all) => self.insert(&mut *all[client].lock().await, picture).await,
            Connections::PerStatement => {
                let mut connection = PgConnection::connect(&self.url).await?;
                self.insert(&mut connection, picture).await?;
                Ok(connection.close().await?)
            }
        }
    }

    async fn insert(&self, connection: &mut PgConnection, picture: &Picture) -> Result<()> {
        sqlx::query(
            "INSERT INTO load_layer.sight_images (sight_image, sight_city, sight_image_width, sight_image_height, \
                                                  sight_image_data_source) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(picture.bytes.as_ref())
        .bind(&self.city)
        .bind(WIDTH.cast_signed())
        .bind(HEIGHT.cast_signed())
        .bind(&picture.source)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// How long a picture takes, from the beginning of its insertion, until somebody else reads it in the mart, where
    /// the refresh comes at once. In operation it comes every 3600 s.
    pub(super) async fn until_seen(&self, picture: &Picture) -> Result<Duration> {
        let mut reader = PgConnection::connect(&self.url).await?;
        let start = Instant::now();
        self.store(0, picture).await?;
        sqlx::query("SELECT RefreshAllMaterializedViews()").execute(&mut reader).await?;
        let mart = format!(
            "SELECT EXISTS (SELECT 1 FROM data_mart_layer.images_{} WHERE image_id = \
                (SELECT image_id FROM integration_layer.dim_sights_images WHERE image_source = $1))",
            self.city.to_lowercase()
        );
        let (seen,): (bool,) =
            sqlx::query_as(AssertSqlSafe(mart)).bind(&picture.source).fetch_one(&mut reader).await?;
        ensure!(seen, "the mart does not show what was inserted");
        Ok(start.elapsed())
    }

    /// How many pictures there are.
    pub(super) async fn count(&self) -> Result<i64> {
        let mut reader = PgConnection::connect(&self.url).await?;
        let (count,) = sqlx::query_as("SELECT COUNT(*) FROM integration_layer.fact_sights")
            .fetch_one(&mut reader)
            .await?;
        Ok(count)
    }

    /// Bytes of the database on the disk.
    pub(super) async fn size(&self) -> Result<u64> {
        database_size(&self.url).await
    }
}

/// A new database with the schema.
async fn schema(server: &str) -> Result<String> {
    let url = new_database(server).await;
    sqlx::raw_sql(SCHEMA).execute(&mut PgConnection::connect(&url).await?).await?;
    Ok(url)
}
