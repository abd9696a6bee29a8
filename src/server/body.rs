//! A request's body, read into one piece within its limits. Bytes are counted as they arrive.

use std::{sync::Arc, time::Duration};

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use super::{
    budget::{Budget, Share},
    refusal::Cause,
};

/// So many bytes of a body have a time of their own: who sends most of it and stalls, or goes on byte by byte, would
/// hold them for the time of the whole body.
const STEP: usize = 32 << 10;

/// Until when a body has to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The whole of it.
    pub(super) deadline: Instant,
    /// Each step, from the end of the one before it.
    pub(super) step: Duration,
}

impl Pace {
    fn next_step(self) -> Instant {
        self.deadline.min(Instant::now() + self.step)
    }
}

/// A body, and its share of the bytes in flight.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) share: Share,
}

/// Reads the whole body at this pace.
///
/// What was declared is compared with what is left, but counted as it comes: otherwise a few headers would hold all
/// bytes, and nobody would have sent one.
pub(super) async fn read(
    body: Body,
    max_bytes: usize,
    in_flight: &Arc<Budget>,
    pace: Pace,
) -> Result<Received, Cause> {
    let declared = body.size_hint().lower();
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if declared > max_bytes {
        return Err(Cause::BodyTooLong);
    }
    if declared > in_flight.rest() {
        return Err(Cause::BytesInFlight);
    }
    collect(body, declared, max_bytes, in_flight.share(), pace).await
}

/// A body that came in one piece is not copied; the pieces of another one are put into one buffer of the declared
/// length, whose memory is only used as they arrive.
async fn collect(
    mut body: Body,
    declared: usize,
    max_bytes: usize,
    mut share: Share,
    pace: Pace,
) -> Result<Received, Cause> {
    let (mut due, mut left) = (pace.next_step(), STEP);
    let mut bytes = Vec::new();
    while let Some(frame) = timeout_at(due, body.frame())
        .await
        .map_err(|_late| Cause::BodyDeadline)?
    {
        // The client went away, or broke the rules of chunked bodies.
        let frame = frame.map_err(|_| Cause::BodyBroken)?;
        // Trailers say nothing to us.
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if bytes.len() + piece.len() > max_bytes {
            return Err(Cause::BodyTooLong);
        }
        if !share.grow(piece.len()) {
            return Err(Cause::BytesInFlight);
        }
        if bytes.is_empty() && body.is_end_stream() {
            return Ok(Received { bytes: piece, share });
        }
        left = left.saturating_sub(piece.len());
        if left == 0 {
            (due, left) = (pace.next_step(), STEP);
        }
        if bytes.is_empty() {
            bytes.reserve_exact(declared);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Received {
        bytes: bytes.into(),
        share,
    })
}
