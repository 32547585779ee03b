//! The scheduler's tasks: how often they ran and how the last run went.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_warehouse::scheduled_tasks::{finished, list, started};

on_both_engines![runs_and_failures_of_a_task_are_visible];

async fn runs_and_failures_of_a_task_are_visible(test: TestDatabase) {
    let run = async |task: &str, result| {
        started(&test.database, task).await.unwrap();
        finished(&test.database, task, result).await.unwrap();
        list(&test.database).await.unwrap().into_iter().find(|found| found.task == task).unwrap()
    };
    let failed = run("plan", Err("no database")).await;
    assert_eq!((failed.runs, failed.failures, failed.last_error.as_deref()), (1, 1, Some("no database")));
    let well = run("plan", Ok(())).await;
    assert_eq!((well.runs, well.failures, well.last_error), (2, 1, None));
    assert!(well.last_finished_at >= well.last_started_at && well.last_started_at.is_some());
    run("refresh", Ok(())).await;
    let tasks: Vec<_> = list(&test.database).await.unwrap().into_iter().map(|task| task.task).collect();
    assert_eq!(tasks, ["plan", "refresh"]);
}
