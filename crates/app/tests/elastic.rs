//! Web tiers and workers as processes that share a database and a data folder.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use sightscan_testkit::services::{Moto, Nats};

use crate::installation::{Installation, ask, coloured};
use crate::program::*;
use crate::roles::role;

/// Requests of the test with faults.
const REQUESTS: usize = 60;

/// Workers are killed while pictures wait, new ones are started, and every picture has the answer that is its own.
fn every_picture_is_answered_though_workers_are_killed(installation: &Installation) {
    let tiers = [installation.tier(), installation.tier()];
    let mut doomed = [installation.worker(&[]), installation.worker(&[])];
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let urls = [tiers[0].url("/v1/detect"), tiers[1].url("/v1/detect")];
        let mut answers = stream::iter(0..REQUESTS)
            .map(|number| {
                let (client, url) = (&client, &urls[number % 2]);
                async move {
                    let red = u8::try_from(3 * number + 60).unwrap();
                    let number = ask(client, url, "test_0.png", coloured(red)).await;
                    assert!((number - f64::from(red)).abs() < 1.0, "{number} for {red}");
                }
            })
            .buffer_unordered(20);
        // Killed without a warning when a third is answered; then others come.
        for _ in 0..REQUESTS / 3 {
            answers.next().await.unwrap();
        }
        doomed.iter_mut().for_each(|worker| worker.kill().unwrap());
        let mut others = [installation.worker(&[]), installation.worker(&[])];
        assert_eq!(answers.count().await, REQUESTS - REQUESTS / 3);
        others.iter_mut().for_each(|worker| worker.kill().unwrap());
        others.iter_mut().chain(&mut doomed).for_each(|worker| assert!(!worker.wait().unwrap().success()));
    });
    assert_eq!(installation.objects(), (REQUESTS as u64, REQUESTS as u64));
    // What was in hand when its worker was killed is there again when its lease ends, and is not looked at twice.
    let mut last = installation.worker(&[]);
    until("the numbers add up", Duration::from_secs(30), || installation.check().0);
    last.kill().unwrap();
    last.wait().unwrap();
}

#[test]
fn i05_and_i06_every_picture_is_answered_though_workers_are_killed_sqlite() {
    every_picture_is_answered_though_workers_are_killed(&Installation::embedded());
}

#[test]
fn i05_and_i06_every_picture_is_answered_though_workers_are_killed_postgres() {
    let server = std::env::var("SIGHTSCAN_TEST_POSTGRES").expect("SIGHTSCAN_TEST_POSTGRES; run scripts/test");
    let url = block_on(sightscan_testkit::database::new_database(&server));
    let variables = vec![("DATABASE_URL", url)];
    every_picture_is_answered_though_workers_are_killed(&Installation {
        variables,
        ..Installation::embedded()
    });
}

#[test]
fn i05_i06_and_i08_every_picture_is_answered_though_workers_are_killed_sqs_and_s3() {
    let moto = Moto::start();
    every_picture_is_answered_though_workers_are_killed(&Installation::in_cloud(&moto));
}

#[test]
fn i05_and_i06_every_picture_is_answered_though_workers_are_killed_nats() {
    let nats = Nats::start();
    let queue = format!("{}/detect", nats.url);
    every_picture_is_answered_though_workers_are_killed(&Installation { queue, ..Installation::embedded() });
}

#[test]
fn i18_a_fresh_worker_takes_what_waits_and_ends_by_itself() {
    let installation = Installation::embedded();
    let tier = installation.tier();
    let asking = std::thread::spawn({
        let url = tier.url("/v1/detect");
        move || block_on(async { ask(&reqwest::Client::new(), &url, "test_0.png", coloured(100)).await })
    });
    until("it waits", Duration::from_secs(60), || installation.check().1["waiting"] == 1);
    let mut worker = installation.worker(&["--exit-when-idle", "1"]);
    assert!((asking.join().unwrap() - 100.0).abs() < 1.0);
    let begun = Instant::now();
    let status = worker.wait().unwrap();
    assert!(status.success() && begun.elapsed() < Duration::from_secs(60), "{status}");
}

#[test]
fn a_worker_takes_jobs_or_pictures_and_says_what_a_queue_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = role(folder.path(), "worker").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("--jobs") && told.contains("--detect"), "{told}");
    let error = failure_of(role(folder.path(), "worker").args(["--detect", "redis://x"]));
    assert!(error.contains("`redis://x`") && error.contains("`db:`"), "{error}");
    let error =
        failure_of(role(folder.path(), "api").args(["--listen", "127.0.0.1:0", "--detect-through", "db:É"]));
    assert!(error.contains("lower-case letters"), "{error}");
}
