//! Many processes write at once: this test binary again, told by the environment to be one of them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_warehouse::{Database, images};

use crate::support::{TestWarehouse, crawled, create_city, warehouse};

on_both_engines![w_c20_the_first_images_of_new_cities_from_many_processes_are_all_there];

const URL: &str = "SIGHTSCAN_CRAWLER_URL";
const FOLDER: &str = "SIGHTSCAN_CRAWLER_FOLDER";
const NUMBER: &str = "SIGHTSCAN_CRAWLER_NUMBER";
/// All begin when this file is in the folder.
const GO: &str = "go";

const PROCESSES: i64 = 8;
const CITIES: i64 = 20;

#[test]
#[ignore = "one of the processes of w_c20"]
fn crawler_process() {
    let Ok(url) = std::env::var(URL) else { return };
    let folder = PathBuf::from(std::env::var(FOLDER).unwrap());
    let number = std::env::var(NUMBER).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(crawl(&url, &folder, &number));
}

/// Sends an image of its own and one that all send to each of the cities.
async fn crawl(url: &str, folder: &Path, number: &str) {
    let database = Database::open(&url.parse().unwrap()).await.unwrap();
    let warehouse = warehouse(database, &folder.join("blobs"));
    fs_err::write(folder.join(number), "").unwrap();
    while !folder.join(GO).exists() {
        assert!(folder.exists(), "whoever asked for it is gone");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for index in 0..CITIES {
        let city = create_city(&warehouse.database, &format!("City {index}"), 1).await;
        for content in [format!("{index} of {number}"), format!("{index} of all")] {
            let image = crawled(&format!("{content}, sent by {number}"));
            images::store(&warehouse, city.id, Bytes::from(content), &image).await.unwrap();
        }
    }
}

fn spawn(url: &str, folder: &Path, number: i64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::crawler_process", "--ignored"])
        .env(URL, url)
        .env(FOLDER, folder)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Eight processes and some hundred transactions that reach the disk take a while.
async fn w_c20_the_first_images_of_new_cities_from_many_processes_are_all_there(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let before = test.tool().await.relations().await;
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> =
        (0..PROCESSES).map(|number| spawn(&test.test.url, folder.path(), number)).collect();
    tokio::task::spawn_blocking({
        let folder = folder.path().to_owned();
        move || run(children, &folder)
    })
    .await
    .unwrap();
    assert_eq!(test.count("SELECT COUNT(*) FROM cities").await, CITIES);
    assert_eq!(test.count("SELECT COUNT(*) FROM images").await, CITIES * (PROCESSES + 1));
    assert_eq!(test.count("SELECT COUNT(*) FROM city_images").await, CITIES * (PROCESSES + 1));
    assert_eq!(test.count("SELECT COUNT(*) FROM mart_city_images").await, CITIES * (PROCESSES + 1));
    assert_eq!(test.count("SELECT COUNT(*) FROM image_origins").await, 2 * CITIES * PROCESSES);
    assert_eq!(test.count("SELECT COUNT(DISTINCT source) FROM image_origins").await, 2 * CITIES * PROCESSES);
    assert_eq!(test.tool().await.relations().await, before);
    let blobs = warehouse(test.database().clone(), &folder.path().join("blobs")).blobs;
    for sha256 in test.tool().await.texts("SELECT sha256 FROM images").await {
        assert!(blobs.head(&sha256.parse().unwrap()).await.unwrap().is_some());
    }
}

/// Lets them begin together and waits for all of them.
fn run(children: Vec<Child>, folder: &Path) {
    let is_ready = |number: i64| folder.join(number.to_string()).exists();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !(0..PROCESSES).all(is_ready) {
        assert!(std::time::Instant::now() < deadline, "the processes do not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    fs_err::write(folder.join(GO), "").unwrap();
    for mut child in children {
        assert!(child.wait().unwrap().success(), "a process failed: its rows are lost");
    }
}
