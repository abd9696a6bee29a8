//! Certificates: read from PEM, made in process, renewed in time. Bytes and times in, values out.
//!
//! `certs/README.md` says which ways there are to a serving certificate, and what each needs.

mod authority;
mod bundle;
pub mod held;
mod pair;
pub mod pem;
pub mod renewal;
mod server_names;

pub use authority::{Authority, BACKDATE, BadAuthority, Issued, Unissued};
pub use bundle::{BadBundle, Bundle, Trusted, Untrusted};
pub use pair::{BadPair, Pair};
pub use pem::{Details, Life};
pub use server_names::{BadName, ServerNames};
