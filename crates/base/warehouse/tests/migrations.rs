//! The schema goes up and down, is never destroyed by a start, and is refused when it is newer.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_warehouse::{Address, Database, Error, schema, settings};

on_both_engines![
    the_schema_goes_down_and_up_again,
    a_start_keeps_what_is_there,
    a_newer_schema_is_refused_and_kept,
    processes_that_start_at_once_migrate_once,
    a_transaction_that_is_dropped_leaves_nothing,
    the_databases_clock_is_that_of_this_machine,
];

fn address(test: &TestDatabase) -> Address {
    test.url.parse().unwrap()
}

/// Runs statements that are not ours, as a database tool would.
async fn with_a_tool(url: &str, statements: &'static str) {
    use sqlx::Connection as _;
    if let Some(path) = url.strip_prefix("sqlite:") {
        let mut connection = sqlx::SqliteConnection::connect(path).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    }
}

async fn the_schema_goes_down_and_up_again(test: TestDatabase) {
    let newest = test.database.migrate(None).await.unwrap();
    assert!(newest.applied.is_empty() && newest.version > 0);
    let down = test.database.migrate(Some(0)).await.unwrap();
    assert_eq!((down.version, down.applied.len() as i64), (0, newest.version));
    let up = test.database.migrate(None).await.unwrap();
    assert_eq!((up.version, up.applied), (newest.version, (1..=newest.version).collect()));
    settings::set(&test.database, "usable", "yes").await.unwrap();
}

async fn a_start_keeps_what_is_there(test: TestDatabase) {
    settings::set(&test.database, "kept", "yes").await.unwrap();
    test.database.close().await;
    let again = Database::open(&address(&test)).await.unwrap();
    assert_eq!(settings::get(&again, "kept").await.unwrap().as_deref(), Some("yes"));
}

async fn a_newer_schema_is_refused_and_kept(test: TestDatabase) {
    settings::set(&test.database, "kept", "yes").await.unwrap();
    with_a_tool(
        &test.url,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, '', 0)",
    )
    .await;
    let error = Database::open(&address(&test)).await.unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 9999, .. }), "{error}");
    let old = Database::open_as_it_is(&address(&test)).await.unwrap();
    assert_eq!(settings::get(&old, "kept").await.unwrap().as_deref(), Some("yes"));
}

async fn processes_that_start_at_once_migrate_once(test: TestDatabase) {
    let address = address(&test);
    for _ in 0..4 {
        // Nothing is left, not even the table of what was migrated.
        test.database.migrate(Some(0)).await.unwrap();
        with_a_tool(&test.url, "DROP TABLE _sqlx_migrations").await;
        let opened = join_all((0..8).map(|_| Database::open(&address))).await;
        for database in opened {
            settings::set(&database.unwrap(), "open", "yes").await.unwrap();
        }
    }
}

async fn a_transaction_that_is_dropped_leaves_nothing(test: TestDatabase) {
    drop(test.database.begin().await.unwrap());
    test.database.begin().await.unwrap().rollback().await.unwrap();
    settings::set(&test.database, "writable", "yes").await.unwrap();
}

async fn the_databases_clock_is_that_of_this_machine(test: TestDatabase) {
    let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((test.database.now() - here.as_millis() as i64).abs() < 10_000);
    test.database.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_schema_can_be_run_by_a_database_tool() {
    let test = TestDatabase::postgres().await;
    test.database.migrate(Some(0)).await.unwrap();
    let text: &'static str = schema(test.database.dialect()).leak();
    with_a_tool(&test.url, text).await;
    settings::set(&test.database, "usable", "yes").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_a_clear_error() {
    let address: Address = "postgres://user:secret@127.0.0.1:1/none".parse().unwrap();
    let error = Database::open(&address).await.unwrap_err().to_string();
    assert!(error.contains("postgres://127.0.0.1:1/none") && !error.contains("secret"), "{error}");
}
