//! The HTTPS port's two paths: `POST /mutate`, and `POST /validate` for policies.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Request, Response, header},
    routing::post,
};
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use super::{
    body::{self, Pace, Received},
    budget::{Budget, Share},
    log,
    metrics::Metrics,
    refusal::{Cause, plain},
    settings::{CallLimits, ConnectionLimits, Limits},
    witness::Witness,
    world::Admit,
};
use crate::admission::{Answer, BadReview, validate};

/// Longest review that is answered on the thread that serves, in bytes. Those of pods and workloads have some thousand,
/// and are answered within microseconds; a hostile one of the longest may take seconds.
const SHORT: usize = 64 << 10;

/// How many longer reviews are worked on at a time, each on a thread of its own.
pub(super) const LONG_AT_A_TIME: usize = 2;

/// What all calls share.
pub(super) struct Desk {
    pub(super) admit: Arc<dyn Admit>,
    pub(super) limits: Limits,
    pub(super) calls: Arc<Budget>,
    pub(super) body_bytes: Arc<Budget>,
    pub(super) long_reviews: Arc<Semaphore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) witness: Option<Arc<dyn Witness>>,
}

/// Why there is no review in the answer.
enum Refused {
    For(Cause),
    BadReview(BadReview),
}

impl From<Cause> for Refused {
    fn from(cause: Cause) -> Self {
        Self::For(cause)
    }
}

/// What is served on the HTTPS port.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route(
            "/mutate",
            post(async |desk, request| answer(desk, request, complete).await),
        )
        .route(
            "/validate",
            post(async |desk, request| answer(desk, request, judge).await),
        )
        .method_not_allowed_fallback(async |State(desk): State<Arc<Desk>>| refuse(&desk, Cause::WrongMethod))
        .fallback(async |State(desk): State<Arc<Desk>>| refuse(&desk, Cause::UnknownPath))
        .with_state(desk)
}

fn refuse(desk: &Desk, cause: Cause) -> Response<Body> {
    tracing::debug!(cause = cause.label(), "a call is refused");
    desk.metrics.call_refused(cause);
    cause.response()
}

/// What the reviews of one path are answered with.
type Door = fn(&dyn Admit, &[u8]) -> Result<Answer, BadReview>;

/// An object is completed.
fn complete(admit: &dyn Admit, review: &[u8]) -> Result<Answer, BadReview> {
    admit.respond(review)
}

/// A policy is let in or refused, for what it says alone: no other policy has a part in it.
fn judge(_admit: &dyn Admit, review: &[u8]) -> Result<Answer, BadReview> {
    validate(review)
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request<Body>, door: Door) -> Response<Body> {
    let begin = Instant::now();
    match review(&desk, request, door, begin).await {
        Ok((answer, shares)) => {
            let took = begin.elapsed();
            desk.metrics.admitted(&answer.decision, took);
            log::decision(&answer.decision, took);
            if let Some(witness) = &desk.witness {
                witness.decided(&answer.decision);
            }
            json(answer.body, shares)
        }
        Err(Refused::For(cause)) => refuse(&desk, cause),
        Err(Refused::BadReview(error)) => {
            refuse(&desk, Cause::BadReview);
            plain(Cause::BadReview.status(), error.to_string())
        }
    }
}

/// What a call takes of the budgets: itself, from when its body is there, and the bytes of its body. It is given back
/// when the connection has taken the answer, or when the client goes away and hyper drops it half way.
type Shares = [Share; 2];

/// From a request to its answer.
async fn review(
    desk: &Desk,
    request: Request<Body>,
    door: Door,
    begin: Instant,
) -> Result<(Answer, Shares), Refused> {
    if !is_plain_json(request.headers()) {
        return Err(Cause::WrongContentType.into());
    }
    let ConnectionLimits {
        body_timeout,
        request_timeout,
        ..
    } = desk.limits.connections;
    let CallLimits {
        max_body_bytes,
        step_timeout,
        ..
    } = desk.limits.calls;
    let pace = Pace {
        deadline: begin + body_timeout.min(request_timeout),
        step: step_timeout,
    };
    let Received { bytes, share } =
        body::read(request.into_body(), max_body_bytes, &desk.body_bytes, pace).await?;
    let call = desk.calls.one().ok_or(Cause::CallsInFlight)?;
    let shares = [call, share];
    if bytes.len() <= SHORT {
        return Ok((respond(door, desk.admit.as_ref(), &bytes)?, shares));
    }
    let turn = Arc::clone(&desk.long_reviews).acquire_owned();
    let Ok(Ok(turn)) = timeout_at(begin + request_timeout, turn).await else {
        return Err(Cause::CallsInFlight.into());
    };
    let admit = Arc::clone(&desk.admit);
    // The turn goes along: where the client goes away, the work does not end before its end.
    let work = move || {
        let _turn = turn;
        Ok((respond(door, admit.as_ref(), &bytes)?, shares))
    };
    spawn_blocking(work).await.map_err(|_ended| Cause::Panic)?
}

/// The engine waits for nothing, and it cannot be interrupted. A fault in it ends this call alone.
fn respond(door: Door, admit: &dyn Admit, review: &[u8]) -> Result<Answer, Refused> {
    catch_unwind(AssertUnwindSafe(|| door(admit, review)))
        .map_err(|_payload| Cause::Panic)?
        .map_err(Refused::BadReview)
}

/// The bytes of an answer, which hyper drops when the connection has taken them.
struct Sending {
    body: Vec<u8>,
    _shares: Shares,
}

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Whether the body is JSON as it is. Parameters of the type (`charset=utf-8`) do not matter.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    let is_plain = headers
        .get(header::CONTENT_ENCODING)
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_json && is_plain
}

fn json(body: Vec<u8>, shares: Shares) -> Response<Body> {
    let answer = Bytes::from_owner(Sending {
        body,
        _shares: shares,
    });
    let mut response = Response::new(Body::from(answer));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
