//! How long requests take that come by chance to several workers: the queue M/M/n.

/// Requests that come by a Poisson process to workers with exponentially distributed service times and one queue.
///
/// L. Kleinrock, *Queueing Systems, volume 1*, Wiley 1975, section 3.5. Detection takes almost the same time for each picture, so
/// that true response times are shorter than these: they are on the safe side.
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
    /// The probability that all workers are busy (Erlang's C); 1 where more comes than they can answer.
    pub fn busy(&self) -> f64 {
        let offered = self.rate / self.service_rate;
        let load = offered / self.workers as f64;
        if load >= 1.0 {
            return 1.0;
        }
        // Erlang's B, from one worker on.
        let blocked = (1..=self.workers)
            .fold(1.0, |blocked, worker| offered * blocked / (worker as f64 + offered * blocked));
        blocked / (1.0 - load * (1.0 - blocked))
    }

    /// The probability that a request takes longer than so many seconds, from its coming to its answer.
    pub fn longer_than(&self, seconds: f64) -> f64 {
        let mu = self.service_rate;
        let spare = self.workers as f64 * mu - self.rate;
        if spare <= 0.0 {
            return 1.0;
        }
        let busy = self.busy();
        let alone = (-mu * seconds).exp();
        let difference = spare - mu;
        if difference.abs() < 1e-9 * mu {
            // Waiting and service have the same rate.
            return (1.0 - busy) * alone + busy * (1.0 + mu * seconds) * alone;
        }
        let waited = (spare * alone - mu * (-spare * seconds).exp()) / difference;
        (1.0 - busy) * alone + busy * waited
    }

    /// The time that this share of the requests does not exceed, in seconds; none where more comes than can be answered.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        if self.longer_than(0.0) >= 1.0 && self.rate >= self.workers as f64 * self.service_rate {
            return None;
        }
        let mut high = 1.0 / self.service_rate;
        while self.longer_than(high) > 1.0 - share {
            high *= 2.0;
        }
        let mut low = 0.0;
        // Sixty halvings are as exact as a number can be.
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if self.longer_than(middle) > 1.0 - share { low = middle } else { high = middle }
        }
        Some(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_worker_is_the_queue_m_m_1() {
        let queue = Queue { rate: 5.0, service_rate: 10.0, workers: 1 };
        assert!((queue.busy() - 0.5).abs() < 1e-12);
        // Response times are exponential with the rate μ − λ.
        for seconds in [0.0_f64, 0.1, 0.5, 2.0] {
            assert!((queue.longer_than(seconds) - (-5.0 * seconds).exp()).abs() < 1e-12);
        }
        assert!((queue.quantile(0.95).unwrap() - 20.0_f64.ln() / 5.0).abs() < 1e-9);
    }

    #[test]
    fn erlangs_tables_agree() {
        // Two erlang offered to three and to five servers.
        let busy = |workers| Queue { rate: 2.0, service_rate: 1.0, workers }.busy();
        assert!((busy(3) - 4.0 / 9.0).abs() < 1e-9, "{}", busy(3));
        assert!((busy(5) - 0.0597).abs() < 1e-4, "{}", busy(5));
    }

    #[test]
    fn too_much_has_no_quantile() {
        let queue = Queue { rate: 10.0, service_rate: 5.0, workers: 2 };
        assert_eq!((queue.busy(), queue.quantile(0.95)), (1.0, None));
    }

    proptest! {
        #[test]
        fn more_workers_are_never_slower(rate in 0.1..50.0_f64, service_rate in 0.1..20.0_f64, more in 1_usize..30) {
            let enough = (rate / service_rate).floor() as usize + more;
            let time = |workers| Queue { rate, service_rate, workers }.quantile(0.95).unwrap();
            prop_assert!(time(enough + 1) <= time(enough) * (1.0 + 1e-9));
            let alone = 20.0_f64.ln() / service_rate;
            prop_assert!(time(enough) >= alone * (1.0 - 1e-6), "service alone takes as long");
        }

        #[test]
        fn a_quantile_is_one(rate in 0.1..9.9_f64, share in 0.01..0.999_f64) {
            let queue = Queue { rate, service_rate: 1.0, workers: 10 };
            let time = queue.quantile(share).unwrap();
            prop_assert!((queue.longer_than(time) - (1.0 - share)).abs() < 1e-6);
        }
    }
}
