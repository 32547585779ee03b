//! The jobs of a city's stages. They are declared here and not by their stages, so that who enqueues them and who runs them
//! need not know each other.

use sightscan_types::{CityId, CrawlCity, LabelCity, Stage, TrainCity};

use crate::Job;

/// A city has at most one live job of each stage.
macro_rules! stage_jobs {
    ($($job:ty: $name:literal in $queue:literal, $stage:ident;)+) => {$(
        impl Job for $job {
            const NAME: &'static str = $name;
            const QUEUE: &'static str = $queue;

            fn deduplication_key(&self) -> Option<String> {
                Some(self.city.to_string())
            }

            fn city(&self) -> Option<CityId> {
                Some(self.city)
            }

            fn stage() -> Option<Stage> {
                Some(Stage::$stage)
            }
        }
    )+};
}

stage_jobs! {
    CrawlCity: "crawl-city" in "crawl", Crawl;
    LabelCity: "label-city" in "label", Label;
    TrainCity: "train-city" in "train", Train;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_a_stage_is_its_word() {
        fn same<J: Job>() -> bool {
            J::stage().is_some_and(|stage| stage.as_str() == J::QUEUE)
        }
        assert!(same::<CrawlCity>() && same::<LabelCity>() && same::<TrainCity>());
    }
}
