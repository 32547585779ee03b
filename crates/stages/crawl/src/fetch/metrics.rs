//! What is counted, in names that cannot be mistyped.
//!
//! Hosts and addresses are no labels: there are too many, and they are nobody's business.

use metrics::{Key, KeyName, Label, Level, Metadata, with_recorder};

use super::FetchError;
use super::call::Kind;

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

const FETCHES: &str = "sightscan_fetches_total";
const FETCHES_HELP: &str =
    "what was asked of the outside, by kind and by outcome in the end: ok, refused or failed";

const TRIES: &str = "sightscan_fetch_tries_total";
const TRIES_HELP: &str = "tries that it took, by kind";

/// Counts something that was fetched, or not, and the tries that it took.
pub(super) fn count<T>(kind: Kind, outcome: &Result<T, FetchError>, tries: u32) {
    let outcome = match outcome {
        Ok(_) => "ok",
        Err(FetchError::Refused { .. }) => "refused",
        Err(FetchError::Failed { .. }) => "failed",
    };
    let kind = Label::from_static_parts("kind", kind.name());
    let outcome = Label::from_static_parts("outcome", outcome);
    add(FETCHES, FETCHES_HELP, vec![kind.clone(), outcome], 1);
    add(TRIES, TRIES_HELP, vec![kind], tries.into());
}

fn add(name: &'static str, help: &'static str, labels: Vec<Label>, number: u64) {
    with_recorder(|recorder| {
        recorder.describe_counter(KeyName::from(name), None, help.into());
        recorder.register_counter(&Key::from_parts(name, labels), &METADATA).increment(number);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{Counter, CounterFn, Gauge, Histogram, Recorder, SharedString, Unit, with_local_recorder};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Book(Mutex<BTreeMap<String, Arc<Count>>>);

    #[derive(Default)]
    struct Count(AtomicU64);

    impl CounterFn for Count {
        fn increment(&self, value: u64) {
            self.0.fetch_add(value, Ordering::Relaxed);
        }

        fn absolute(&self, value: u64) {
            self.0.store(value, Ordering::Relaxed);
        }
    }

    impl Recorder for Book {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels: Vec<_> =
                key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let name = format!("{}{{{}}}", key.name(), labels.join(","));
            Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn fetches_are_counted_by_outcome_and_without_addresses() {
        let url = "https://secret.example.org/".parse().unwrap();
        let refused = FetchError::Refused { url, reason: "gone".to_owned() };
        let book = Book::default();
        with_local_recorder(&book, || {
            count(Kind::Picture, &Ok(()), 1);
            count(Kind::Picture, &Ok(()), 3);
            count::<()>(Kind::Page, &Err(refused), 1);
        });
        let counts = book.0.into_inner().unwrap();
        let counts: Vec<_> =
            counts.iter().map(|(name, count)| (name.as_str(), count.0.load(Ordering::Relaxed))).collect();
        assert_eq!(
            counts,
            [
                ("sightscan_fetch_tries_total{kind=page}", 1),
                ("sightscan_fetch_tries_total{kind=picture}", 4),
                ("sightscan_fetches_total{kind=page,outcome=refused}", 1),
                ("sightscan_fetches_total{kind=picture,outcome=ok}", 2),
            ]
        );
    }
}
