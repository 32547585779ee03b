//! Whether requests are wanted, and the proof of it.
//!
//! A process that listens may still have a network that hangs. So readiness is proven by answers: a model that
//! has answered nobody for a while is sent a test picture, the canary, the same way as any other picture.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sightscan_http::{Hold, Problem};
use tracing::{error, info};

use crate::detection::Core;
use crate::models::Served;
use crate::pool::Work;

/// A white picture of 2 x 2 pixels: a bitmap of 24 bits a pixel (Microsoft's BITMAPFILEHEADER and
/// BITMAPINFOHEADER), its rows padded to four bytes.
const CANARY: &[u8] = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\
    \x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0\x18\0\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \xff\xff\xff\xff\xff\xff\0\0\xff\xff\xff\xff\xff\xff\0\0";

/// The keepers look at things so many times within the time that matters.
const LOOKS: u32 = 4;
/// And never more seldom.
const GREATEST_PAUSE: Duration = Duration::from_secs(1);
/// Until the first answer they look often: readiness should not wait for them.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Whether the server is about to stop.
#[derive(Debug, Default)]
pub struct Drain(AtomicBool);

impl Drain {
    /// From now on no requests are wanted.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Why no requests are wanted, where it has begun.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.load(Ordering::Relaxed).then(|| "the server is about to stop".to_owned())
    }
}

/// Why no pictures are wanted now; empty when they are.
pub(crate) fn reasons(core: &Core) -> Vec<String> {
    let mut reasons = Vec::new();
    let (condition, workers) = (core.pool.condition(), core.workers);
    if condition.stuck > 0 {
        reasons.push(format!("{} worker threads are stuck", condition.stuck));
    }
    if condition.able < workers {
        reasons.push(format!("{} of {workers} worker threads have their models loaded", condition.able));
    }
    reasons.extend(core.models.all().iter().filter_map(|model| unproven(core, model)));
    reasons
}

/// Why this model is not trusted, where it is not.
fn unproven(core: &Core, model: &Served) -> Option<String> {
    let name = &model.spec().name;
    let oldest = core.config.canary_after() + core.config.stuck_after();
    match model.since_proof() {
        None => Some(format!("the model `{name}` has not answered yet")),
        Some(age) if age > oldest => {
            Some(format!("the model `{name}` has not answered for {} seconds", age.as_secs()))
        }
        Some(_) => None,
    }
}

/// Looks after the workers and the metrics for ever.
pub(crate) async fn keep_workers(core: Arc<Core>) {
    let pause = (core.config.stuck_after() / LOOKS).min(GREATEST_PAUSE);
    loop {
        core.pool.watch();
        core.metrics.tidy();
        tokio::time::sleep(pause).await;
    }
}

/// Sends the canary to a model whenever the model has not answered for a while, as long as it is served.
pub(crate) async fn keep_proving(core: Arc<Core>, model: Weak<Served>) {
    let started = Instant::now();
    while let Some(pause) = look_after(&core, &model, started).await {
        // Without the model: it may be let go meanwhile.
        tokio::time::sleep(pause).await;
    }
}

/// When to look again; `None` when the model is not served any more.
async fn look_after(core: &Core, model: &Weak<Served>, started: Instant) -> Option<Duration> {
    let model =
        model.upgrade().filter(|model| core.models.all().iter().any(|other| Arc::ptr_eq(other, model)))?;
    let before = model.since_proof();
    if before.is_none_or(|age| age > core.config.canary_after()) {
        let name = &model.spec().name;
        match (prove(core, &model).await, before) {
            (Ok(()), None) => {
                info!(model = name, duration_ms = started.elapsed().as_millis() as u64, "model is ready");
            }
            (Ok(()), Some(_)) => {}
            (Err(problem), _) => {
                error!(model = name, cause = problem.cause().unwrap_or(problem.detail()), "canary failed");
                return Some(GREATEST_PAUSE);
            }
        }
    }
    let usual = (core.config.canary_after() / LOOKS).min(GREATEST_PAUSE);
    Some(if model.since_proof().is_some() { usual } else { FIRST_PAUSE })
}

/// Has a model look at the canary.
pub(crate) async fn prove(core: &Core, model: &Arc<Served>) -> Result<(), Problem> {
    let (model, options) = (Arc::clone(model), model.spec().options());
    let work = Work { model, picture: Bytes::from_static(CANARY), options, drawing: None };
    let deadline = Instant::now() + core.config.stuck_after();
    let reply = core.pool.submit(work, deadline, Arc::new(Hold::default()))?;
    match tokio::time::timeout_at(deadline.into(), reply).await {
        Ok(Ok(result)) => result.map(drop).map_err(Problem::from),
        Ok(Err(_)) => Err(Problem::internal("the canary was dropped")),
        // The worker is stuck, or all are.
        Err(_) => Err(Problem::internal("the canary was not answered in time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_engine::decode::{Limits, decode};

    #[test]
    fn the_canary_is_a_white_picture() {
        let picture = decode(CANARY, &Limits::default()).unwrap();
        assert_eq!((picture.width, picture.height, picture.rgb), (2, 2, vec![255; 12]));
    }
}
