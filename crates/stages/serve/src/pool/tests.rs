use super::*;
use sightscan_engine::model::Overrides;
use sightscan_engine::{DecodeError, EngineChoice, Model};
use sightscan_types::{Findings, PhaseTimes};
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

type Behaviour = dyn Fn(&Work) -> Result<Answer, WorkError> + Send + Sync;

struct Scripted(Arc<Behaviour>);

impl Analyse for Scripted {
    fn analyse(&mut self, work: &Work) -> Result<Answer, WorkError> {
        (self.0)(work)
    }
}

/// An answer that tells which picture it belongs to: its width is the picture's first byte.
fn echo(work: &Work) -> Result<Answer, WorkError> {
    let width = u32::from(work.picture[0]);
    let findings = Findings::Detections(Vec::new());
    Ok(Answer {
        analysis: Analysis { width, height: 1, findings, times: PhaseTimes::default() },
        drawn: None,
    })
}

fn size(workers: usize) -> Size {
    let workers = NonZeroUsize::new(workers).unwrap();
    Size { workers, queue_depth: 8, stuck_after: Duration::from_millis(50) }
}

fn pool(size: Size, behaviour: impl Fn(&Work) -> Result<Answer, WorkError> + Send + Sync + 'static) -> Pool {
    let behaviour: Arc<Behaviour> = Arc::new(behaviour);
    let factory: Factory = Arc::new(move || Ok(Box::new(Scripted(Arc::clone(&behaviour)))));
    Pool::start(factory, size, Arc::new(Metrics::new().unwrap())).unwrap()
}

fn model() -> Arc<Served> {
    static MODEL: OnceLock<Arc<Served>> = OnceLock::new();
    let open = || {
        let folder = tempfile::tempdir().unwrap();
        let path = sightscan_testkit::tiny::write_colour_box(folder.path());
        Served::new(Model::open(&path, &Overrides::default(), EngineChoice::Rten).unwrap())
    };
    Arc::clone(MODEL.get_or_init(open))
}

fn work(byte: u8) -> Work {
    Work { model: model(), picture: Bytes::from(vec![byte]), options: Options::default(), drawing: None }
}

fn submit_for(pool: &Pool, byte: u8, time: Duration) -> Result<oneshot::Receiver<Reply>, Refused> {
    pool.submit(work(byte), Instant::now() + time, Arc::default())
}

fn submit(pool: &Pool, byte: u8) -> oneshot::Receiver<Reply> {
    submit_for(pool, byte, Duration::from_secs(30)).unwrap()
}

fn width(receiver: oneshot::Receiver<Reply>) -> u32 {
    receiver.blocking_recv().unwrap().unwrap().answer.analysis.width
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A pool of one worker that waits for a token before each picture, and the sender of tokens.
fn gated(size: Size, behaviour: fn(&Work) -> Result<Answer, WorkError>) -> (Pool, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let pool = pool(size, move |work| {
        lock(&gate).recv().unwrap();
        behaviour(work)
    });
    (pool, open)
}

#[test]
fn every_picture_gets_its_own_answer() {
    let pool = pool(Size { queue_depth: 300, ..size(4) }, echo);
    let receivers: Vec<_> = (1..=255).map(|byte| submit(&pool, byte)).collect();
    for (byte, receiver) in (1..=255).zip(receivers) {
        assert_eq!(width(receiver), byte);
    }
    assert!(model().since_proof().is_some());
    assert!(pool.pace().get() > Duration::ZERO);
}

#[test]
fn a_full_queue_refuses_and_a_closed_one_finishes_what_it_has() {
    let (pool, open) = gated(size(1), echo);
    let first = submit(&pool, 1);
    wait_until("the first picture is begun", || pool.waiting() == 0);
    let waiting: Vec<_> = (2..10).map(|byte| submit(&pool, byte)).collect();
    assert_eq!(submit_for(&pool, 99, Duration::from_secs(30)).unwrap_err(), Refused::Full);
    pool.close();
    assert_eq!(submit_for(&pool, 99, Duration::from_secs(30)).unwrap_err(), Refused::Closed);
    for _ in 0..9 {
        open.send(()).unwrap();
    }
    assert_eq!(width(first), 1);
    for (byte, receiver) in (2..10).zip(waiting) {
        assert_eq!(width(receiver), byte);
    }
    assert!(pool.join(Duration::from_secs(60)));
}

#[test]
fn who_has_left_is_not_worked_for_and_leaves_room() {
    let (pool, open) = gated(size(1), echo);
    let first = submit(&pool, 1);
    wait_until("the first picture is begun", || pool.waiting() == 0);
    drop((2..10).map(|byte| submit(&pool, byte)).collect::<Vec<_>>());
    let stays = submit(&pool, 77);
    assert_eq!(pool.waiting(), 1);
    open.send(()).unwrap();
    open.send(()).unwrap();
    assert_eq!((width(first), width(stays)), (1, 77));
    assert!(pool.shared.metrics.render().contains("sightscan_abandoned_pictures_total 8"));
}

#[test]
fn who_is_too_late_is_told_without_work() {
    let (pool, open) = gated(size(1), echo);
    let first = submit(&pool, 1);
    wait_until("the first picture is begun", || pool.waiting() == 0);
    let late = submit_for(&pool, 2, Duration::from_millis(1)).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    open.send(()).unwrap();
    assert!(matches!(late.blocking_recv().unwrap(), Err(Failure::Late)));
    assert_eq!(width(first), 1);
    assert!(pool.shared.metrics.render().contains("sightscan_late_pictures_total 1"));
}

#[test]
fn a_panic_fails_its_own_picture_only_and_the_worker_is_set_up_anew() {
    let built = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&built);
    let behaviour: Arc<Behaviour> = Arc::new(|work| {
        assert_ne!(work.picture[0], 13, "thirteen");
        echo(work)
    });
    let factory: Factory = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Scripted(Arc::clone(&behaviour))))
    });
    let pool = Pool::start(factory, size(1), Arc::new(Metrics::new().unwrap())).unwrap();
    let receivers = [12, 13, 14].map(|byte| submit(&pool, byte));
    let [before, panicked, after] = receivers;
    assert_eq!(width(before), 12);
    let Err(Failure::Panicked(message)) = panicked.blocking_recv().unwrap() else {
        panic!("it did not panic")
    };
    assert!(message.contains("thirteen"), "{message}");
    assert_eq!(width(after), 14);
    assert_eq!(built.load(Ordering::Relaxed), 2);
    assert_eq!(pool.condition(), Condition { able: 1, stuck: 0 });
}

#[test]
fn a_failure_is_the_pictures_own() {
    let pool = pool(size(1), |work| match work.picture[0] {
        0 => Err(WorkError::Detect(DecodeError::NotAPicture.into())),
        _ => echo(work),
    });
    let (bad, good) = (submit(&pool, 0), submit(&pool, 5));
    assert!(matches!(bad.blocking_recv().unwrap(), Err(Failure::Work(_))));
    assert_eq!(width(good), 5);
}

#[test]
fn a_stuck_worker_is_replaced_and_ends_when_it_comes_back() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let pool = pool(size(1), move |work| {
        if work.picture[0] == 66 {
            lock(&gate).recv().unwrap();
        }
        echo(work)
    });
    let stuck = submit(&pool, 66);
    let next = submit(&pool, 7);
    wait_until("the worker counts as stuck", || {
        pool.watch();
        pool.condition().stuck == 1
    });
    assert_eq!(width(next), 7);
    wait_until("the replacement is able", || pool.condition() == Condition { able: 1, stuck: 1 });
    open.send(()).unwrap();
    assert_eq!(width(stuck), 66);
    wait_until("the stuck worker has ended", || {
        pool.watch();
        pool.condition() == Condition { able: 1, stuck: 0 }
    });
    assert_eq!(lock(&pool.slots).len(), 1);
}

#[test]
fn workers_that_always_stick_do_not_fill_the_machine() {
    let pool = pool(size(2), |_| {
        loop {
            std::thread::park();
        }
    });
    let _receivers: Vec<_> = (0..8).map(|byte| submit(&pool, byte)).collect();
    wait_until("all workers are stuck", || {
        pool.watch();
        pool.condition().stuck == 4
    });
    for _ in 0..100 {
        pool.watch();
    }
    assert_eq!(lock(&pool.slots).len(), 4);
    pool.close();
    assert!(pool.join(Duration::ZERO));
}

#[test]
fn a_worker_that_cannot_be_set_up_says_so_and_tries_again() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let behaviour: Arc<Behaviour> = Arc::new(echo);
    let factory: Factory = Arc::new(move || {
        if counter.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(WorkError::Detect(DecodeError::NotAPicture.into()));
        }
        Ok(Box::new(Scripted(Arc::clone(&behaviour))))
    });
    let pool = Pool::start(factory, size(1), Arc::new(Metrics::new().unwrap())).unwrap();
    wait_until("the first attempt", || attempts.load(Ordering::Relaxed) > 0);
    assert_eq!(pool.condition().able, 0);
    assert!(matches!(submit(&pool, 1).blocking_recv().unwrap(), Err(Failure::NotBuilt(_))));
    assert_eq!(width(submit(&pool, 2)), 2);
    assert_eq!(pool.condition().able, 1);
}

#[test]
fn workers_renew_their_models_between_two_pictures_and_once_for_each_generation() {
    struct Counting(Arc<AtomicUsize>);
    impl Analyse for Counting {
        fn analyse(&mut self, work: &Work) -> Result<Answer, WorkError> {
            echo(work)
        }
        fn renew(&mut self) -> Result<(), WorkError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }
    let renewed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&renewed);
    let factory: Factory = Arc::new(move || Ok(Box::new(Counting(Arc::clone(&counter)))));
    let pool = Pool::start(factory, size(3), Arc::new(Metrics::new().unwrap())).unwrap();
    assert!(pool.has_renewed(0) && !pool.has_renewed(1));
    for generation in 1..=4 {
        pool.renew(generation);
        wait_until("all have renewed", || pool.has_renewed(generation));
        assert_eq!(width(submit(&pool, 7)), 7);
    }
    assert_eq!(renewed.load(Ordering::Relaxed), 12);
}

#[test]
fn a_worker_that_cannot_load_a_model_goes_on_with_the_others() {
    struct Refusing;
    impl Analyse for Refusing {
        fn analyse(&mut self, work: &Work) -> Result<Answer, WorkError> {
            echo(work)
        }
        fn renew(&mut self) -> Result<(), WorkError> {
            Err(DetectError::from(DecodeError::Empty).into())
        }
    }
    let factory: Factory = Arc::new(|| Ok(Box::new(Refusing)));
    let pool = Pool::start(factory, size(1), Arc::new(Metrics::new().unwrap())).unwrap();
    pool.renew(1);
    assert_eq!(width(submit(&pool, 7)), 7);
    assert!(!pool.has_renewed(1));
}
