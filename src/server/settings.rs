//! What the server is told at its start: addresses, limits and deadlines. The defaults are those of the command line.

use std::time::Duration;

/// Limits on what comes from outside, and deadlines for it. Sizes are bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// On connections to the HTTPS port.
    pub connections: ConnectionLimits,
    /// On calls.
    pub calls: CallLimits,
}

/// Limits on the connections of a port.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Connections at a time. One more takes the place of the one that has waited longest for its client, and is closed
    /// at once where all are within a call.
    pub max_connections: usize,
    /// Calls on one connection; the answer to the last one closes it.
    pub max_requests_per_connection: u32,
    /// From the first byte of a request to the end of its headers.
    pub header_timeout: Duration,
    /// From the end of the headers to the end of the body; after it the answer is 408. What a client still sends after it
    /// was refused is thrown away for as long.
    pub body_timeout: Duration,
    /// From the end of the headers until the last byte of the answer is sent; after it the connection is closed.
    pub request_timeout: Duration,
    /// How long a connection stays open on which nothing is asked. Longer than clients keep theirs (90 s in Go), or a
    /// call that is just being sent meets a connection that is just being closed.
    pub idle_timeout: Duration,
}

/// Limits on calls with reviews.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Body of one call; a longer one is answered with 413.
    pub max_body_bytes: usize,
    /// Bodies of all calls together; what would not fit is answered with 429.
    pub max_bytes_in_flight: usize,
    /// Calls whose review came and whose answer the connection has not taken yet; one more is answered with 429.
    pub max_calls_in_flight: usize,
    /// For each 32 KiB of a body, so that nobody who stalls holds much for long; after it the answer is 408.
    pub step_timeout: Duration,
}

/// The way to the end, after the first signal.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// How long calls are still accepted while the process says that it is not ready.
    pub shutdown_delay: Duration,
    /// How long the calls in flight may take after that.
    pub drain_timeout: Duration,
}

/// Limits on the connections of the admin port: a kubelet and a few scrapers.
pub(super) const ADMIN: ConnectionLimits = ConnectionLimits {
    max_connections: 64,
    max_requests_per_connection: 1000,
    header_timeout: Duration::from_secs(5),
    body_timeout: Duration::from_secs(5),
    request_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_mins(2),
};
