//! The admission door: the bytes of an `AdmissionReview` in, the bytes of the answer and what was decided out.
//!
//! It knows what the review says, and nothing else of the cluster. The labels of the namespace are unknown.

mod about;
mod answer;
mod audit;
mod failure;
mod outcome;
mod respond;
mod review;
mod validate;
mod warnings;

pub use about::{About, Whose};
pub use outcome::{Judged, Outcome, Skip};
pub use respond::{Answer, Decision, respond};
pub use review::{BadReview, Operation};
pub use validate::validate;
