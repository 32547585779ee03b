//! How many workers are wanted: a function of what was seen, without a clock or a side effect.

use std::collections::VecDeque;
use std::time::Duration;

/// How the number of wanted workers follows from what is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What is wanted at a moment.
    pub rule: Rule,
    /// Never fewer.
    pub min: usize,
    /// Never more, those that are starting included.
    pub max: usize,
    /// Over so long the usual growth is averaged, so that a moment's load starts nobody.
    pub stable: Duration,
    /// More is wanted at once where so many times the workers that are there are wanted.
    pub panic_factor: f64,
    /// After a burst nobody is ended for so long.
    pub panic: Duration,
    /// Fewer workers are wanted only when fewer have been for so long.
    pub cool_down: Duration,
}

/// How many workers are wanted at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// So many that what waits is looked at within the acceptable latency: the backlog over what one worker does in that time
    /// (the backlog per instance of Amazon's guide to scaling on SQS).
    Latency {
        /// How long a picture may wait and be looked at.
        acceptable: Duration,
        /// How long a picture takes, as long as nobody has measured it.
        assumed: Duration,
    },
    /// One a message, at most the maximum: the rule of "Image Recognition as a Service".
    OnePerMessage,
}

/// What is seen of a pool at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// When, since any beginning.
    pub at: Duration,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that workers have.
    pub in_flight: u64,
    /// Workers that are there or starting, and have not been asked to end.
    pub workers: usize,
    /// How long a picture takes a worker, where that was measured.
    pub service: Option<Duration>,
}

/// What was seen before.
#[derive(Debug, Clone, Default)]
pub struct History {
    wanted: VecDeque<(Duration, usize)>,
    panic_at: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rule: Rule::OnePerMessage,
            min: 0,
            max: 19,
            stable: Duration::from_secs(10),
            panic_factor: 2.0,
            panic: Duration::from_secs(10),
            cool_down: Duration::from_secs(30),
        }
    }
}

impl Policy {
    /// The number of workers that should be there, which may be that of those that are.
    pub fn desired(&self, history: &mut History, seen: &Sample) -> usize {
        let now = self.wanted_now(seen);
        let current = seen.workers;
        // Whoever comes later does not know how long those that are there have been too many.
        let wanted = if history.wanted.is_empty() { now.max(current) } else { now };
        history.note(seen.at, wanted, self.stable.max(self.cool_down));
        let is_burst = now > current && now as f64 >= self.panic_factor * current as f64;
        if is_burst {
            history.panic_at = Some(seen.at);
            return self.bounded(now);
        }
        let grown = history.mean(seen.at, self.stable);
        let shrunk = history.greatest(seen.at, self.cool_down);
        let in_panic = history.panic_at.is_some_and(|at| seen.at.saturating_sub(at) < self.panic);
        let desired = match () {
            () if grown > current => grown.min(now.max(current)),
            () if shrunk < current && !in_panic => shrunk,
            () => current,
        };
        self.bounded(desired)
    }

    fn bounded(&self, workers: usize) -> usize {
        workers.clamp(self.min, self.max)
    }

    /// What is wanted for the work of this moment.
    fn wanted_now(&self, seen: &Sample) -> usize {
        let work = seen.waiting + seen.in_flight;
        let wanted = match self.rule {
            Rule::OnePerMessage => work,
            Rule::Latency { acceptable, assumed } => {
                let service = seen.service.unwrap_or(assumed).as_secs_f64().max(1e-3);
                let each = (acceptable.as_secs_f64() / service).floor().max(1.0) as u64;
                work.div_ceil(each)
            }
        };
        self.bounded(usize::try_from(wanted).unwrap_or(usize::MAX))
    }
}

impl History {
    fn note(&mut self, at: Duration, wanted: usize, keep: Duration) {
        self.wanted.push_back((at, wanted));
        while self.wanted.front().is_some_and(|(then, _)| at.saturating_sub(*then) > keep) {
            self.wanted.pop_front();
        }
    }

    fn within(&self, at: Duration, window: Duration) -> impl Iterator<Item = usize> {
        let recent = move |(then, _): &&(Duration, usize)| at.saturating_sub(*then) <= window;
        self.wanted.iter().filter(recent).map(|(_, wanted)| *wanted)
    }

    /// The mean of what was wanted, rounded up.
    fn mean(&self, at: Duration, window: Duration) -> usize {
        let (mut sum, mut count) = (0, 0);
        for wanted in self.within(at, window) {
            sum += wanted;
            count += 1;
        }
        sum.div_ceil(count.max(1))
    }

    fn greatest(&self, at: Duration, window: Duration) -> usize {
        self.within(at, window).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64, waiting: u64, in_flight: u64, workers: usize) -> Sample {
        let service = Some(Duration::from_millis(100));
        Sample { at: Duration::from_secs(seconds), waiting, in_flight, workers, service }
    }

    /// Runs a policy on a load; gives the workers at each moment.
    fn run(policy: &Policy, load: &[u64]) -> Vec<usize> {
        let (mut history, mut workers, mut seen) = (History::default(), 0_usize, Vec::new());
        for (second, &work) in load.iter().enumerate() {
            let sample = at(2 * second as u64, work, 0, workers);
            workers = policy.desired(&mut history, &sample);
            seen.push(workers);
        }
        seen
    }

    fn changes_of_direction(workers: &[usize]) -> usize {
        let steps: Vec<i64> = workers.windows(2).map(|pair| pair[1] as i64 - pair[0] as i64).collect();
        let moves: Vec<i64> = steps.into_iter().filter(|step| *step != 0).map(i64::signum).collect();
        moves.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    #[test]
    fn i10_the_plain_rule_starts_one_a_message_and_at_most_the_maximum() {
        let policy = Policy::default();
        for (messages, expected) in [(0, 0), (1, 1), (19, 19), (20, 19), (1000, 19)] {
            let sample = at(0, messages, 0, 0);
            assert_eq!(policy.desired(&mut History::default(), &sample), expected, "{messages}");
        }
    }

    #[test]
    fn workers_that_are_starting_count() {
        let policy = Policy::default();
        let mut history = History::default();
        assert_eq!(policy.desired(&mut history, &at(0, 10, 0, 0)), 10);
        // They have not taken anything yet: nobody else is started.
        assert_eq!(policy.desired(&mut history, &at(2, 10, 0, 10)), 10);
    }

    #[test]
    fn the_backlog_is_measured_against_the_service_time() {
        let acceptable = Duration::from_secs(2);
        let rule = Rule::Latency { acceptable, assumed: Duration::from_millis(500) };
        let policy = Policy { rule, ..Policy::default() };
        // Twenty pictures of 100 ms in two seconds.
        assert_eq!(policy.desired(&mut History::default(), &at(0, 100, 0, 0)), 5);
        let unmeasured = Sample { service: None, ..at(0, 100, 0, 0) };
        assert_eq!(
            policy.desired(&mut History::default(), &unmeasured),
            19,
            "four of 500 ms: 25, but at most 19"
        );
        let slow = Sample { service: Some(Duration::from_secs(60)), ..at(0, 3, 0, 0) };
        assert_eq!(policy.desired(&mut History::default(), &slow), 3, "one each at least");
    }

    #[test]
    fn a_burst_is_answered_at_once_and_a_small_growth_when_it_lasts() {
        let policy = Policy::default();
        let mut history = History::default();
        assert_eq!(policy.desired(&mut history, &at(0, 10, 0, 0)), 10);
        let calm: Vec<usize> =
            (1..=5).map(|turn| policy.desired(&mut history, &at(2 * turn, 12, 0, 10))).collect();
        assert_eq!(calm.first(), Some(&11), "not at once: {calm:?}");
        assert_eq!(calm.last(), Some(&12), "{calm:?}");
        assert_eq!(policy.desired(&mut history, &at(12, 19, 100, 9)), 19, "twice as many are wanted");
    }

    #[test]
    fn fewer_are_wanted_only_after_the_cool_down() {
        let policy = Policy::default();
        let mut history = History::default();
        assert_eq!(policy.desired(&mut history, &at(0, 10, 0, 0)), 10);
        for second in (2..=30).step_by(2) {
            assert_eq!(policy.desired(&mut history, &at(second, 0, 0, 10)), 10, "at {second}");
        }
        assert_eq!(policy.desired(&mut history, &at(32, 0, 0, 10)), 0);
    }

    #[test]
    fn a_controller_that_comes_later_ends_nobody_before_the_cool_down() {
        let (policy, mut history) = (Policy::default(), History::default());
        for second in (0..=30).step_by(2) {
            assert_eq!(policy.desired(&mut history, &at(second, 0, 0, 10)), 10, "at {second}");
        }
        assert_eq!(policy.desired(&mut history, &at(32, 0, 0, 10)), 0);
    }

    #[test]
    fn a_step_up_and_down_changes_direction_at_most_twice() {
        let policy = Policy::default();
        // Nothing, then a hundred that are worked off, then nothing.
        let falling = (0..20).map(|turn: u64| 100_u64.saturating_sub(turn * 7));
        let load: Vec<u64> =
            std::iter::repeat_n(0, 5).chain(falling).chain(std::iter::repeat_n(0, 60)).collect();
        let workers = run(&policy, &load);
        assert_eq!((workers.iter().max(), workers.last()), (Some(&19), Some(&0)), "{workers:?}");
        assert!(changes_of_direction(&workers) <= 2, "{workers:?}");
    }

    #[test]
    fn a_load_that_trembles_moves_nobody() {
        let policy = Policy::default();
        let load: Vec<u64> = (0..200).map(|turn| 8 + turn % 3).collect();
        let workers = run(&policy, &load);
        let settled = &workers[20..];
        assert!(settled.iter().all(|&count| count == settled[0]), "{workers:?}");
    }

    proptest! {
        #[test]
        fn never_more_than_the_maximum_or_fewer_than_the_minimum(
            load in prop::collection::vec(0_u64..500, 1..80), min in 0_usize..3, more in 1_usize..30,
        ) {
            let policy = Policy { min, max: min + more, ..Policy::default() };
            let workers = run(&policy, &load);
            prop_assert!(workers.iter().all(|&count| (min..=min + more).contains(&count)), "{:?}", workers);
        }

        #[test]
        fn work_always_has_a_worker_and_without_any_all_end(load in prop::collection::vec(0_u64..500, 1..80)) {
            let policy = Policy::default();
            let workers = run(&policy, &load);
            for (work, count) in load.iter().zip(&workers) {
                prop_assert!(*work == 0 || *count > 0);
            }
            let calm: Vec<u64> = load.iter().copied().chain(std::iter::repeat_n(0, 40)).collect();
            prop_assert_eq!(run(&policy, &calm).last().copied(), Some(0));
        }
    }
}
