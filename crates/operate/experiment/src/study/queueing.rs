//! How long requests take that come by chance, and that are given to workers by chance.

/// Requests that come by a Poisson process, each to any one of the workers: a port that processes share gives connections so, and
/// a Kubernetes service gives them to pods so.
///
/// Each worker is a queue of its own then, to which its share of the requests comes, and with exponentially distributed service
/// times it is the queue M/M/1, whose response times are exponential with the rate μ − λ/n (L. Kleinrock, *Queueing Systems,
/// volume 1*, Wiley 1975, section 3.2). Detection takes almost the same time for each picture (M/D/1), so that true response times
/// are shorter than these: they are on the safe side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Queue {
    /// Requests a second that come.
    pub rate: f64,
    /// Requests a second that one worker can answer.
    pub service_rate: f64,
    /// Workers.
    pub workers: usize,
}

impl Queue {
    /// The time that this share of the requests does not exceed, from coming to answer, in seconds; none where more comes than can
    /// be answered.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let spare = self.service_rate - self.rate / self.workers as f64;
        (spare > 0.0).then(|| -(1.0 - share).ln() / spare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_worker_is_the_queue_m_m_1_and_several_are_as_many() {
        let one = Queue { rate: 5.0, service_rate: 10.0, workers: 1 };
        assert!((one.quantile(0.95).unwrap() - 20.0_f64.ln() / 5.0).abs() < 1e-9);
        let three = Queue { rate: 15.0, workers: 3, ..one };
        assert_eq!(three.quantile(0.95), one.quantile(0.95));
    }

    #[test]
    fn too_much_has_no_quantile() {
        assert_eq!(Queue { rate: 10.0, service_rate: 5.0, workers: 2 }.quantile(0.95), None);
    }

    /// The 95th percentile of requests that come by chance to workers by chance, each of which takes a tenth of a second for each.
    fn simulated(rate: f64, workers: usize) -> f64 {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut now, mut free_at) = (0.0_f64, vec![0.0_f64; workers]);
        let mut times: Vec<f64> = (0..200_000)
            .map(|_| {
                now -= (1.0 - random.f64()).ln() / rate;
                let worker = random.usize(..workers);
                free_at[worker] = free_at[worker].max(now) + 0.1;
                free_at[worker] - now
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[times.len() * 95 / 100]
    }

    #[test]
    fn the_answer_is_on_the_safe_side_of_pictures_that_take_the_same_time() {
        for (rate, workers) in [(5.0, 1), (9.0, 1), (24.0, 3), (28.0, 3), (190.0, 20)] {
            let (true_time, told) =
                (simulated(rate, workers), Queue { rate, service_rate: 10.0, workers }.quantile(0.95));
            let told = told.unwrap();
            assert!(
                told > true_time && told < 3.5 * true_time,
                "{workers} at {rate}/s: {told} for {true_time}"
            );
        }
    }

    proptest! {
        #[test]
        fn more_workers_are_never_slower(rate in 0.1..50.0_f64, service_rate in 0.1..20.0_f64, more in 1_usize..30) {
            let enough = (rate / service_rate).floor() as usize + more;
            let time = |workers| Queue { rate, service_rate, workers }.quantile(0.95).unwrap();
            prop_assert!(time(enough + 1) <= time(enough));
            prop_assert!(time(enough) >= 20.0_f64.ln() / service_rate, "service alone takes as long");
        }
    }
}
