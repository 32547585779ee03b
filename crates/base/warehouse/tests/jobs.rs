//! Jobs: enqueued once, claimed by one, finished by whoever holds the lease, archived.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::names::CityName;
use sightscan_types::{CityId, JobId, JobState};
use sightscan_warehouse::Database;
use sightscan_warehouse::cities::{self, Progress};
use sightscan_warehouse::jobs::{self, Beat, Cancelled, Claim, Enqueued, Filter, NewJob, Retried};

on_both_engines![
    of_many_with_the_same_key_one_is_enqueued,
    a_key_is_free_again_when_its_job_is_finished,
    the_most_urgent_job_is_claimed_first,
    a_job_for_later_waits,
    jobs_that_a_worker_does_not_know_are_left_to_others,
    each_job_is_claimed_by_one_of_many,
    a_job_whose_worker_vanished_is_taken_back,
    a_heartbeat_keeps_the_lease_and_shows_progress,
    a_stale_worker_can_do_nothing_for_its_job,
    an_expired_job_that_was_tried_often_enough_is_buried,
    an_effect_and_the_completion_are_one_commit,
    a_failed_job_waits_and_counts_its_attempts,
    a_job_that_is_handed_back_has_lost_no_attempt,
    a_waiting_job_is_cancelled_at_once,
    a_running_job_is_cancelled_by_its_worker,
    a_job_that_is_asked_for_again_is_not_cancelled,
    a_dead_job_is_retried_with_its_id,
    a_dead_job_is_not_retried_beside_a_live_one_of_its_key,
    jobs_are_listed_by_pages_live_and_finished_alike,
    a_queue_has_a_depth,
    all_queues_are_counted_at_once,
    the_dead_of_a_queue_are_counted,
    finished_jobs_are_forgotten_by_age,
];

/// A lease that nobody outlives in a test.
const LONG: i64 = 60_000;
const WHATEVER: NewJob<'static> = NewJob {
    name: "paint",
    queue: "walls",
    priority: 0,
    deduplication_key: None,
    city: None,
    payload: "{}",
    run_at: 0,
    max_attempts: 3,
    request_id: None,
};

async fn enqueue(database: &Database, job: NewJob<'_>) -> Enqueued {
    let mut transaction = database.begin().await.unwrap();
    let enqueued = jobs::enqueue(&mut transaction, &job, database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    enqueued
}

async fn claim(database: &Database, lease_ms: i64) -> Option<Claim> {
    jobs::claim(database, &["paint"], "painter", lease_ms).await.unwrap()
}

async fn complete(database: &Database, claim: &Claim) -> bool {
    let mut transaction = database.begin().await.unwrap();
    let held = jobs::complete(&mut transaction, &claim.lease, database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    held
}

async fn bury(database: &Database, claim: &Claim) -> bool {
    let mut transaction = database.begin().await.unwrap();
    let held = jobs::bury(&mut transaction, &claim.lease, "no paint", database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    held
}

async fn cancel(database: &Database, id: JobId) -> Cancelled {
    let mut transaction = database.begin().await.unwrap();
    let cancelled = jobs::cancel(&mut transaction, id, "too dear", database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    cancelled
}

async fn retry(database: &Database, id: JobId) -> Retried {
    let mut transaction = database.begin().await.unwrap();
    let retried = jobs::retry(&mut transaction, id, database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    retried
}

async fn take_back(database: &Database, claim: &Claim) -> bool {
    let mut transaction = database.begin().await.unwrap();
    let taken = jobs::take_back(&mut transaction, &claim.lease, "vanished", database.now()).await.unwrap();
    transaction.commit().await.unwrap();
    taken
}

async fn show(database: &Database, id: JobId) -> jobs::Job {
    jobs::show(database, id).await.unwrap().unwrap()
}

/// Waits, by the database's clock, until the lease of this claim has ended.
async fn outlive(database: &Database, claim: &Claim) {
    while database.now() <= claim.lease_until {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn of_many_with_the_same_key_one_is_enqueued(test: TestDatabase) {
    let job = NewJob { deduplication_key: Some("berlin"), ..WHATEVER };
    let enqueued = join_all((0..20).map(|_| enqueue(&test.database, job.clone()))).await;
    assert_eq!(enqueued.iter().filter(|one| one.is_new).count(), 1);
    assert!(enqueued.iter().all(|one| one.id == enqueued[0].id));
    assert_eq!(jobs::list(&test.database, &Filter::default(), None, 100).await.unwrap().len(), 1);
    // The same key means something else for other work.
    assert!(enqueue(&test.database, NewJob { name: "clean", ..job }).await.is_new);
}

async fn a_key_is_free_again_when_its_job_is_finished(test: TestDatabase) {
    let job = NewJob { deduplication_key: Some("berlin"), ..WHATEVER };
    let first = enqueue(&test.database, job.clone()).await;
    let claim = claim(&test.database, LONG).await.unwrap();
    assert_eq!(enqueue(&test.database, job.clone()).await, Enqueued { id: first.id, is_new: false });
    assert!(complete(&test.database, &claim).await);
    assert!(enqueue(&test.database, job).await.is_new);
}

async fn the_most_urgent_job_is_claimed_first(test: TestDatabase) {
    for (payload, priority, run_at, name) in [
        ("\"third\"", 0, 10, "paint"),
        ("\"fourth\"", 0, 20, "clean"),
        ("\"second\"", 5, 30, "clean"),
        ("\"first\"", 5, 20, "paint"),
    ] {
        enqueue(&test.database, NewJob { name, payload, priority, run_at, ..WHATEVER }).await;
    }
    for expected in ["\"first\"", "\"second\"", "\"third\"", "\"fourth\""] {
        let claim = jobs::claim(&test.database, &["clean", "paint"], "painter", LONG).await.unwrap().unwrap();
        assert_eq!(claim.job.payload, expected);
    }
    assert!(jobs::claim(&test.database, &["clean", "paint"], "painter", LONG).await.unwrap().is_none());
}

async fn a_job_for_later_waits(test: TestDatabase) {
    let later = NewJob { run_at: test.database.now() + LONG, ..WHATEVER };
    enqueue(&test.database, later).await;
    assert!(claim(&test.database, LONG).await.is_none());
    let run_at = test.database.now() + 100;
    enqueue(&test.database, NewJob { run_at, ..WHATEVER }).await;
    while test.database.now() < run_at {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(claim(&test.database, LONG).await.is_some());
}

async fn jobs_that_a_worker_does_not_know_are_left_to_others(test: TestDatabase) {
    enqueue(&test.database, NewJob { name: "plaster", ..WHATEVER }).await;
    assert!(claim(&test.database, LONG).await.is_none());
    assert!(jobs::claim(&test.database, &[], "nobody", LONG).await.unwrap().is_none());
    assert!(jobs::claim(&test.database, &["plaster"], "plasterer", LONG).await.unwrap().is_some());
}

async fn each_job_is_claimed_by_one_of_many(test: TestDatabase) {
    for _ in 0..60 {
        enqueue(&test.database, WHATEVER).await;
    }
    let worker = async || {
        let mut mine = Vec::new();
        while let Some(claim) = claim(&test.database, LONG).await {
            mine.push(claim.job.id);
        }
        mine
    };
    let mut claimed = join_all((0..8).map(|_| worker())).await.concat();
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(claimed.len(), 60);
}

async fn a_job_whose_worker_vanished_is_taken_back(test: TestDatabase) {
    enqueue(&test.database, WHATEVER).await;
    let held = claim(&test.database, LONG).await.unwrap();
    assert!(!take_back(&test.database, &held).await, "its lease has not ended");
    assert!(complete(&test.database, &held).await);
    enqueue(&test.database, WHATEVER).await;
    let first = claim(&test.database, 30).await.unwrap();
    outlive(&test.database, &first).await;
    let expired = jobs::expired(&test.database).await.unwrap();
    assert_eq!(expired, [first]);
    let taken = join_all((0..4).map(|_| take_back(&test.database, &expired[0]))).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    let second = claim(&test.database, LONG).await.unwrap();
    assert_eq!((second.job.attempts, second.job.reason.as_deref()), (2, Some("vanished")));
}

async fn a_heartbeat_keeps_the_lease_and_shows_progress(test: TestDatabase) {
    let id = enqueue(&test.database, WHATEVER).await.id;
    let claim = claim(&test.database, 30).await.unwrap();
    let progress = Progress { done: 3, total: Some(8), message: Some("north wall".to_owned()) };
    let beat = jobs::heartbeat(&test.database, &claim.lease, LONG, &progress).await.unwrap();
    assert_eq!(beat, Beat::Held);
    outlive(&test.database, &claim).await;
    assert!(jobs::expired(&test.database).await.unwrap().is_empty());
    let shown = show(&test.database, id).await;
    assert_eq!((shown.state, shown.worker.as_deref()), (JobState::Running, Some("painter")));
    assert_eq!(shown.progress, progress);
}

async fn a_stale_worker_can_do_nothing_for_its_job(test: TestDatabase) {
    enqueue(&test.database, WHATEVER).await;
    let stale = claim(&test.database, 0).await.unwrap();
    outlive(&test.database, &stale).await;
    assert!(take_back(&test.database, &stale).await);
    let fresh = claim(&test.database, LONG).await.unwrap();
    let beat = jobs::heartbeat(&test.database, &stale.lease, LONG, &Progress::default()).await.unwrap();
    assert_eq!(beat, Beat::Lost);
    assert!(!complete(&test.database, &stale).await);
    assert!(!bury(&test.database, &stale).await);
    let mut transaction = test.database.begin().await.unwrap();
    assert!(!jobs::retry_later(&mut transaction, &stale.lease, "late", 0).await.unwrap());
    assert!(!jobs::hand_back(&mut transaction, &stale.lease).await.unwrap());
    assert!(!jobs::finish_cancelled(&mut transaction, &stale.lease, 0).await.unwrap());
    transaction.commit().await.unwrap();
    assert!(complete(&test.database, &fresh).await);
    assert!(!complete(&test.database, &fresh).await, "a job is finished once");
}

async fn an_expired_job_that_was_tried_often_enough_is_buried(test: TestDatabase) {
    let id = enqueue(&test.database, NewJob { max_attempts: 1, ..WHATEVER }).await.id;
    let claim = claim(&test.database, 0).await.unwrap();
    outlive(&test.database, &claim).await;
    let mut transaction = test.database.begin().await.unwrap();
    let now = test.database.now();
    assert!(jobs::bury_expired(&mut transaction, &claim.lease, "vanished once", now).await.unwrap());
    transaction.commit().await.unwrap();
    let shown = show(&test.database, id).await;
    assert_eq!((shown.state, shown.reason.as_deref()), (JobState::Dead, Some("vanished once")));
}

async fn an_effect_and_the_completion_are_one_commit(test: TestDatabase) {
    let mut transaction = test.database.begin().await.unwrap();
    let name = CityName::parse("Berlin").unwrap();
    let (city, _) = cities::find_or_create(&mut transaction, &name, None, 1).await.unwrap();
    transaction.commit().await.unwrap();
    let id = enqueue(&test.database, WHATEVER).await.id;
    let claim = claim(&test.database, LONG).await.unwrap();
    for commit in [false, true] {
        let mut transaction = test.database.begin().await.unwrap();
        cities::count_request(&mut transaction, city.id, "effect", 1).await.unwrap();
        assert!(jobs::complete(&mut transaction, &claim.lease, 5).await.unwrap());
        if commit {
            transaction.commit().await.unwrap();
        } else {
            drop(transaction);
            assert_eq!(show(&test.database, id).await.state, JobState::Running);
        }
    }
    assert_eq!(cities::requests(&test.database, city.id).await.unwrap().posts, 1);
    let shown = show(&test.database, id).await;
    assert_eq!((shown.state, shown.finished_at, shown.run_at), (JobState::Done, Some(5), None));
}

async fn a_failed_job_waits_and_counts_its_attempts(test: TestDatabase) {
    let id = enqueue(&test.database, WHATEVER).await.id;
    let claimed = claim(&test.database, LONG).await.unwrap();
    let retry_at = test.database.now() + LONG;
    let mut transaction = test.database.begin().await.unwrap();
    assert!(jobs::retry_later(&mut transaction, &claimed.lease, "rain", retry_at).await.unwrap());
    transaction.commit().await.unwrap();
    assert!(claim(&test.database, LONG).await.is_none());
    let shown = show(&test.database, id).await;
    assert_eq!((shown.state, shown.attempts, shown.run_at), (JobState::Waiting, 1, Some(retry_at)));
    assert_eq!((shown.reason.as_deref(), shown.worker), (Some("rain"), None));
}

async fn a_job_that_is_handed_back_has_lost_no_attempt(test: TestDatabase) {
    enqueue(&test.database, NewJob { max_attempts: 1, ..WHATEVER }).await;
    for _ in 0..3 {
        let claim = claim(&test.database, LONG).await.unwrap();
        assert_eq!(claim.job.attempts, 1);
        let mut transaction = test.database.begin().await.unwrap();
        assert!(jobs::hand_back(&mut transaction, &claim.lease).await.unwrap());
        transaction.commit().await.unwrap();
    }
}

async fn a_waiting_job_is_cancelled_at_once(test: TestDatabase) {
    let id = enqueue(&test.database, WHATEVER).await.id;
    assert_eq!(cancel(&test.database, id).await, Cancelled::AtOnce);
    assert!(claim(&test.database, LONG).await.is_none());
    let shown = show(&test.database, id).await;
    assert_eq!((shown.state, shown.reason.as_deref()), (JobState::Cancelled, Some("too dear")));
    assert_eq!(cancel(&test.database, id).await, Cancelled::NotLive);
    assert_eq!(cancel(&test.database, JobId::new()).await, Cancelled::NotLive);
}

async fn a_running_job_is_cancelled_by_its_worker(test: TestDatabase) {
    let id = enqueue(&test.database, WHATEVER).await.id;
    let claim = claim(&test.database, LONG).await.unwrap();
    assert_eq!(cancel(&test.database, id).await, Cancelled::Requested);
    let beat = jobs::heartbeat(&test.database, &claim.lease, LONG, &Progress::default()).await.unwrap();
    assert_eq!(beat, Beat::CancelRequested);
    let mut transaction = test.database.begin().await.unwrap();
    assert!(jobs::finish_cancelled(&mut transaction, &claim.lease, 1).await.unwrap());
    transaction.commit().await.unwrap();
    let shown = show(&test.database, id).await;
    assert_eq!((shown.state, shown.reason.as_deref()), (JobState::Cancelled, Some("too dear")));
}

async fn a_job_that_is_asked_for_again_is_not_cancelled(test: TestDatabase) {
    let job = NewJob { deduplication_key: Some("berlin"), ..WHATEVER };
    let id = enqueue(&test.database, job.clone()).await.id;
    let claim = claim(&test.database, LONG).await.unwrap();
    assert_eq!(cancel(&test.database, id).await, Cancelled::Requested);
    assert_eq!(enqueue(&test.database, job).await, Enqueued { id, is_new: false });
    let mut transaction = test.database.begin().await.unwrap();
    assert!(!jobs::finish_cancelled(&mut transaction, &claim.lease, 1).await.unwrap());
    assert!(jobs::hand_back(&mut transaction, &claim.lease).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(show(&test.database, id).await.state, JobState::Waiting);
}

async fn a_dead_job_is_retried_with_its_id(test: TestDatabase) {
    let city = CityId::new();
    let job =
        NewJob { city: Some(city), deduplication_key: Some("berlin"), request_id: Some("r-1"), ..WHATEVER };
    let id = enqueue(&test.database, job).await.id;
    assert_eq!(retry(&test.database, id).await, Retried::NotFailed);
    assert!(bury(&test.database, &claim(&test.database, LONG).await.unwrap()).await);
    assert_eq!(retry(&test.database, id).await, Retried::Again);
    let claim = claim(&test.database, LONG).await.unwrap();
    assert_eq!((claim.job.id, claim.job.attempts, claim.job.city), (id, 1, Some(city)));
    assert_eq!(claim.job.request_id.as_deref(), Some("r-1"));
    assert!(complete(&test.database, &claim).await);
    assert_eq!(retry(&test.database, id).await, Retried::NotFailed);
}

async fn a_dead_job_is_not_retried_beside_a_live_one_of_its_key(test: TestDatabase) {
    let job = NewJob { deduplication_key: Some("berlin"), ..WHATEVER };
    let dead = enqueue(&test.database, job.clone()).await.id;
    assert!(bury(&test.database, &claim(&test.database, LONG).await.unwrap()).await);
    let live = enqueue(&test.database, job).await.id;
    assert_eq!(retry(&test.database, dead).await, Retried::SameIsLive(live));
    assert_eq!(show(&test.database, dead).await.state, JobState::Dead);
}

async fn jobs_are_listed_by_pages_live_and_finished_alike(test: TestDatabase) {
    let city = CityId::new();
    for _ in 0..3 {
        enqueue(&test.database, NewJob { city: Some(city), ..WHATEVER }).await;
        assert!(complete(&test.database, &claim(&test.database, LONG).await.unwrap()).await);
    }
    let waiting = enqueue(&test.database, NewJob { name: "clean", queue: "floors", ..WHATEVER }).await.id;
    let everything = jobs::list(&test.database, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(everything[0].id, waiting);
    assert!(everything.is_sorted_by(|newer, older| newer.id > older.id));
    let page = jobs::list(&test.database, &Filter::default(), Some(everything[1].id), 1).await.unwrap();
    assert_eq!(page, everything[2..3]);
    for (filter, count) in [
        (Filter { state: Some(JobState::Done), ..Filter::default() }, 3),
        (Filter { state: Some(JobState::Waiting), ..Filter::default() }, 1),
        (Filter { queue: Some("floors".to_owned()), ..Filter::default() }, 1),
        (Filter { name: Some("paint".to_owned()), ..Filter::default() }, 3),
        (Filter { city: Some(city), ..Filter::default() }, 3),
        (Filter { city: Some(CityId::new()), ..Filter::default() }, 0),
    ] {
        assert_eq!(jobs::list(&test.database, &filter, None, 10).await.unwrap().len(), count, "{filter:?}");
    }
}

async fn a_queue_has_a_depth(test: TestDatabase) {
    for run_at in [7, 5, i64::MAX] {
        enqueue(&test.database, NewJob { run_at, ..WHATEVER }).await;
    }
    enqueue(&test.database, NewJob { name: "clean", queue: "floors", ..WHATEVER }).await;
    claim(&test.database, LONG).await.unwrap();
    let depth = jobs::depth(&test.database, "walls").await.unwrap();
    let expected = jobs::Depth { waiting_due: 1, waiting_later: 1, running: 1, oldest_due: Some(7) };
    assert_eq!(depth, expected);
    assert_eq!(jobs::depth(&test.database, "none").await.unwrap(), jobs::Depth::default());
}

async fn the_dead_of_a_queue_are_counted(test: TestDatabase) {
    for _ in 0..2 {
        enqueue(&test.database, WHATEVER).await;
        assert!(bury(&test.database, &claim(&test.database, LONG).await.unwrap()).await);
    }
    let cancelled = enqueue(&test.database, WHATEVER).await;
    let mut transaction = test.database.begin().await.unwrap();
    jobs::cancel(&mut transaction, cancelled.id, "too dear", 1).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(jobs::dead(&test.database, "walls").await.unwrap(), 2);
    assert_eq!(jobs::dead(&test.database, "floors").await.unwrap(), 0);
}

async fn all_queues_are_counted_at_once(test: TestDatabase) {
    assert_eq!(jobs::queues(&test.database).await.unwrap(), []);
    enqueue(&test.database, NewJob { name: "clean", queue: "floors", run_at: i64::MAX, ..WHATEVER }).await;
    for finished in [true, false] {
        enqueue(&test.database, WHATEVER).await;
        let claim = claim(&test.database, LONG).await.unwrap();
        assert!(if finished {
            complete(&test.database, &claim).await
        } else {
            bury(&test.database, &claim).await
        });
    }
    for _ in 0..2 {
        enqueue(&test.database, WHATEVER).await;
    }
    claim(&test.database, LONG).await.unwrap();
    let counts = |queue: &str, waiting, running, dead| {
        let queue = queue.to_owned();
        jobs::QueueCounts { queue, waiting, running, dead }
    };
    let expected = [counts("floors", 1, 0, 0), counts("walls", 1, 1, 1)];
    assert_eq!(jobs::queues(&test.database).await.unwrap(), expected);
}

async fn finished_jobs_are_forgotten_by_age(test: TestDatabase) {
    for at in [10, 20] {
        enqueue(&test.database, WHATEVER).await;
        let claim = claim(&test.database, LONG).await.unwrap();
        let mut transaction = test.database.begin().await.unwrap();
        assert!(jobs::complete(&mut transaction, &claim.lease, at).await.unwrap());
        transaction.commit().await.unwrap();
    }
    assert_eq!(jobs::forget_finished(&test.database, 20).await.unwrap(), 1);
    let left = jobs::list(&test.database, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(left.iter().map(|job| job.finished_at).collect::<Vec<_>>(), [Some(20)]);
}
