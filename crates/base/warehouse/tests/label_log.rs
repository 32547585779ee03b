//! The log of labelling.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityId, ImageId, Outcome, ProducerKind};
use sightscan_warehouse::jobs::{self, NewJob};
use sightscan_warehouse::label_log::{self, Entry, What};

use crate::support::{Sent, TestWarehouse, crawled, producer};

on_both_engines![
    row_25_who_labelled_what_is_told_in_the_order_of_time,
    row_25_jobs_that_were_given_up_and_requests_without_work_are_told,
    w_p10_only_the_newest_lines_are_told,
];

impl TestWarehouse {
    async fn log(&self, limit: u32) -> Vec<Entry> {
        label_log::newest(self.database(), limit).await.unwrap()
    }

    async fn note_idle(&self, city: CityId, now: i64) {
        let mut transaction = self.database().begin().await.unwrap();
        label_log::note_idle(&mut transaction, city, "nothing to do", now).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// A finished job of this queue with this end.
    async fn finished_job(&self, city: CityId, queue: &str, outcome: &str) {
        let mut transaction = self.database().begin().await.unwrap();
        let job = NewJob {
            name: "a-job",
            queue,
            priority: 0,
            deduplication_key: None,
            city: Some(city),
            payload: "{}",
            run_at: 1,
            max_attempts: 1,
            request_id: None,
        };
        let id = jobs::enqueue(&mut transaction, &job, 1).await.unwrap().id;
        jobs::cancel(&mut transaction, id, "no quota is left", 5).await.unwrap();
        transaction.commit().await.unwrap();
        let statement = "UPDATE jobs_archive SET outcome = $1 WHERE job_id = $2";
        self.tool().await.run(statement, &[Sent::Text(outcome), Sent::Text(&id.to_string())]).await;
    }
}

fn labelling(at: i64, city: &str, image: ImageId, kind: ProducerKind, boxes: i64) -> Entry {
    let outcome = if boxes == 0 { Outcome::Nothing } else { Outcome::Found };
    let what = What::Labelling { image, producer: producer(kind), outcome, boxes, reason: None };
    Entry { at, city: Some(city.to_owned()), what }
}

async fn row_25_who_labelled_what_is_told_in_the_order_of_time(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    assert_eq!(test.log(10).await, []);
    let (berlin, paris) = (test.city("Berlin").await, test.city("New York").await);
    let (gate, tower) = (test.fresh_image(&berlin).await, test.fresh_image(&paris).await);
    test.label(gate, ProducerKind::Vision, &["Gate", "Gate"], 10).await;
    test.label(tower, ProducerKind::Vision, &[], 20).await;
    test.label(gate, ProducerKind::Human, &["Gate"], 30).await;
    let log = test.log(10).await;
    assert_eq!(
        log,
        [
            labelling(10, "BERLIN", gate, ProducerKind::Vision, 2),
            labelling(20, "NEW_YORK", tower, ProducerKind::Vision, 0),
            labelling(30, "BERLIN", gate, ProducerKind::Human, 1),
        ]
    );
    let image = test.store(&berlin, "shared", &crawled("shared")).await.image;
    test.store(&paris, "shared", &crawled("shared")).await;
    test.fail_to_label(image, "bad\nimage").await;
    let log = test.log(10).await;
    let Entry { city, what: What::Labelling { outcome, reason, .. }, .. } = &log[3] else {
        panic!("a labelling: {log:?}")
    };
    assert_eq!((city.as_deref(), *outcome), (Some("BERLIN"), Outcome::Failed), "one line, the first city");
    assert_eq!(reason.as_deref(), Some("bad\nimage"));
}

async fn row_25_jobs_that_were_given_up_and_requests_without_work_are_told(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await.id;
    for (queue, outcome) in [("label", "dead"), ("label", "done"), ("label", "cancelled"), ("crawl", "dead")]
    {
        test.finished_job(city, queue, outcome).await;
    }
    test.note_idle(city, 7).await;
    let entry = |at, what| Entry { at, city: Some("BERLIN".to_owned()), what };
    let expected = [
        entry(5, What::GivenUp("no quota is left".to_owned())),
        entry(7, What::Idle("nothing to do".to_owned())),
    ];
    assert_eq!(test.log(10).await, expected);
}

async fn w_p10_only_the_newest_lines_are_told(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let image = test.fresh_image(&city).await;
    for at in [10, 20, 40] {
        test.label(image, ProducerKind::Vision, &[], at).await;
    }
    for at in [5, 30] {
        test.note_idle(city.id, at).await;
    }
    let times = |log: Vec<Entry>| log.iter().map(|entry| entry.at).collect::<Vec<_>>();
    assert_eq!(times(test.log(3).await), [20, 30, 40]);
    assert_eq!(times(test.log(100).await), [5, 10, 20, 30, 40]);
}
