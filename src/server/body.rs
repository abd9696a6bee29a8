//! A request's body, read into one piece within its limits. Bytes are counted as they arrive.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use super::{
    budget::{Budget, Share},
    refusal::Cause,
};

/// A body, and its share of the bytes in flight.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) share: Share,
}

/// Reads the whole body before the deadline.
pub(super) async fn read(
    body: Body,
    max_bytes: usize,
    in_flight: &Arc<Budget>,
    deadline: Instant,
) -> Result<Received, Cause> {
    let declared = body.size_hint().lower();
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if declared > max_bytes {
        return Err(Cause::BodyTooLong);
    }
    if declared > in_flight.rest() {
        return Err(Cause::BytesInFlight);
    }
    timeout_at(deadline, collect(body, declared, max_bytes, in_flight.share()))
        .await
        .unwrap_or(Err(Cause::BodyDeadline))
}

/// A body that came in one piece is not copied; the pieces of another one are put into one buffer of the declared
/// length, whose memory is only used as they arrive.
async fn collect(
    mut body: Body,
    declared: usize,
    max_bytes: usize,
    mut share: Share,
) -> Result<Received, Cause> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
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
