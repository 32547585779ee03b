//! Reading bodies under limits: bytes a body, bytes of all bodies together, and time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Problem, Slug};

/// The budget is counted in these, so that its count fits into a semaphore's 32 bits.
const KIBIBYTE: u64 = 1024;

/// How many bytes bodies may hold in memory, each and together.
#[derive(Debug, Clone)]
pub struct Budget {
    greatest: u64,
    free: Arc<Semaphore>,
}

/// A body in memory.
#[derive(Debug)]
pub struct Received {
    /// The bytes.
    pub bytes: Bytes,
    /// Keeps their share of the budget as long as it lives.
    pub hold: Hold,
}

/// A share of the budget; given back when it is dropped.
#[derive(Debug, Default)]
pub struct Hold(Option<OwnedSemaphorePermit>);

impl Budget {
    /// At most `greatest` bytes a body and `together` bytes of all bodies that are in memory at once.
    pub fn new(greatest: u64, together: u64) -> Self {
        let together = usize::try_from(together.max(greatest).div_ceil(KIBIBYTE)).unwrap_or(usize::MAX);
        Self { greatest, free: Arc::new(Semaphore::new(together.min(Semaphore::MAX_PERMITS))) }
    }

    /// Reads the whole body. A length that is declared is checked before the first byte is read, and so before
    /// a client that expects `100 Continue` gets it.
    ///
    /// # Errors
    /// When the body is too large, breaks off, is not complete at `deadline`, or finds no room in the budget.
    pub async fn receive(&self, body: Body, deadline: Instant) -> Result<Received, Problem> {
        let declared = body.size_hint().exact();
        let mut hold = Hold::default();
        self.reserve(&mut hold, declared.unwrap_or(0))?;
        match tokio::time::timeout_at(deadline.into(), self.collect(body, declared, &mut hold)).await {
            Ok(bytes) => Ok(Received { bytes: bytes?, hold }),
            Err(_) => Err(too_slow()),
        }
    }

    async fn collect(
        &self,
        mut body: Body,
        declared: Option<u64>,
        hold: &mut Hold,
    ) -> Result<Bytes, Problem> {
        let mut bytes = BytesMut::with_capacity(declared.unwrap_or(0) as usize);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
            self.reserve(hold, (bytes.len() + data.len()) as u64)?;
            bytes.extend_from_slice(&data);
        }
        Ok(bytes.freeze())
    }

    /// Makes `hold` large enough for `length` bytes.
    fn reserve(&self, hold: &mut Hold, length: u64) -> Result<(), Problem> {
        if length > self.greatest {
            return Err(self.too_large());
        }
        let held = hold.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) as u64;
        let missing =
            u32::try_from(length.div_ceil(KIBIBYTE).saturating_sub(held)).map_err(|_| self.too_large())?;
        if missing == 0 {
            return Ok(());
        }
        let more = Arc::clone(&self.free).try_acquire_many_owned(missing).map_err(|_| no_room())?;
        match &mut hold.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    fn too_large(&self) -> Problem {
        let what =
            format!("the body has more than {} bytes, which is the limit; send a smaller one", self.greatest);
        Problem::new(Slug::BodyTooLarge, what)
    }
}

fn too_slow() -> Problem {
    Problem::new(
        Slug::BodyTimeout,
        "the body did not arrive within the deadline; send it faster or allow more time",
    )
}

fn broken(error: &axum::Error) -> Problem {
    Problem::new(Slug::Malformed, format!("the body broke off or is badly framed: {error}; send it again"))
}

fn no_room() -> Problem {
    let what = "the server holds as many bytes of other requests as it may; try again in a moment";
    Problem::new(Slug::Busy, what).retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    /// A body whose length is not declared.
    fn chunked(chunks: Vec<&'static str>) -> Body {
        Body::from_stream(stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>)))
    }

    #[tokio::test]
    async fn a_body_within_the_limits_arrives_whole() {
        let budget = Budget::new(10, 4096);
        let received = budget.receive(chunked(vec!["hello", "world"]), soon()).await.unwrap();
        assert_eq!(&received.bytes[..], b"helloworld");
        assert_eq!(&budget.receive(Body::from("abc"), soon()).await.unwrap().bytes[..], b"abc");
    }

    #[tokio::test]
    async fn too_many_bytes_are_refused_whether_declared_or_counted() {
        let budget = Budget::new(10, 100);
        for body in [Body::from("elevenbytes"), chunked(vec!["eleven", "bytes"])] {
            let problem = budget.receive(body, soon()).await.unwrap_err();
            assert_eq!(problem.slug(), Slug::BodyTooLarge);
            assert!(problem.detail().contains("10 bytes"), "{}", problem.detail());
        }
    }

    #[tokio::test]
    async fn the_budget_bounds_all_bodies_together_and_is_given_back() {
        let budget = Budget::new(2048, 4096);
        let kept = budget.receive(Body::from(vec![0; 2048]), soon()).await.unwrap();
        let second = budget.receive(Body::from(vec![0; 2048]), soon()).await.unwrap();
        let refused = budget.receive(Body::from(vec![0; 1]), soon()).await.unwrap_err();
        assert_eq!(refused.slug(), Slug::Busy);
        drop(second);
        assert!(budget.receive(chunked(vec!["a", "b"]), soon()).await.is_ok());
        drop(kept);
        assert_eq!(budget.free.available_permits(), 4);
    }

    #[tokio::test]
    async fn a_body_that_never_comes_is_a_timeout() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = Budget::new(10, 100).receive(body, Instant::now() + Duration::from_millis(20)).await;
        assert_eq!(problem.unwrap_err().slug(), Slug::BodyTimeout);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_malformed() {
        let chunks = vec![Ok("abc"), Err(std::io::Error::other("gone"))];
        let problem = Budget::new(10, 100).receive(Body::from_stream(stream::iter(chunks)), soon()).await;
        assert_eq!(problem.unwrap_err().slug(), Slug::Malformed);
    }
}
