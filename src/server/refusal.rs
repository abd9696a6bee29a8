//! Why a call is not answered with a review: a closed set, each with its status and its sentence.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

/// Declares the causes: variant, status, label of the metric, sentence.
macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $status:ident $label:literal : $sentence:literal,)+) => {
        /// Why a call was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Cause {
            $($(#[$doc])* $variant,)+
        }

        impl Cause {
            /// All causes.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The status of the answer.
            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The label of the metric.
            pub(super) fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// The body of the answer.
            fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

causes! {
    UnknownPath = NOT_FOUND "unknown-path": "nothing is served here; reviews go to /mutate, those of policies to /validate",
    WrongMethod = METHOD_NOT_ALLOWED "wrong-method": "a review is sent by POST",
    WrongContentType = UNSUPPORTED_MEDIA_TYPE "wrong-content-type":
        "the body must be application/json without a content encoding",
    BodyTooLong = PAYLOAD_TOO_LARGE "body-too-long": "the body is longer than this server takes",
    BytesInFlight = TOO_MANY_REQUESTS "bytes-in-flight": "too many bytes are being read at the moment; try again",
    CallsInFlight = TOO_MANY_REQUESTS "calls-in-flight": "too many calls are being answered at the moment; try again",
    BodyDeadline = REQUEST_TIMEOUT "body-deadline": "the body did not arrive in time",
    BodyBroken = BAD_REQUEST "body-broken": "the body ended early, or its chunks cannot be told apart",
    /// The sentence of the answer is that of what is wrong with the review.
    BadReview = BAD_REQUEST "bad-review": "the body is not an AdmissionReview",
    Panic = INTERNAL_SERVER_ERROR "panic": "the server failed; its log says where",
}

/// Seconds after which a client may try again; the shortest that the header can say.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

impl Cause {
    /// The answer with the cause's own sentence.
    pub(super) fn response(self) -> Response<Body> {
        plain(self.status(), self.sentence())
    }
}

/// A text for people; the API server shows it to the user.
pub(super) fn plain(status: StatusCode, sentence: impl Into<String>) -> Response<Body> {
    let mut text = sentence.into();
    text.push('\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}
