//! How much policies may give to a pod: the record names each element, and the API server bounds annotations.

use crate::{
    engine::report::Note,
    finding::{Finding, Severity},
};

/// Bytes of the record that what policies give may take: half of what the values may have.
const BYTES: usize = 32 << 10;

/// So many elements a list is given by policies at most. Whoever needs more has another way: a variable may hold a list.
const ELEMENTS: usize = 256;

/// What an element takes beside its key: quotes, the name of its container, a hash.
const BESIDE: usize = 96;

/// The room that is left.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    left_out: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            bytes: BYTES,
            left_out: 0,
        }
    }
}

impl Room {
    /// Takes the room of an element with this key, for a list to which policies gave so many; says whether there is any.
    pub(super) fn take(&mut self, key: &str, given: usize) -> bool {
        let rest = self.bytes.checked_sub(key.len() + BESIDE);
        match rest.filter(|_| given < ELEMENTS) {
            Some(rest) => self.bytes = rest,
            None => self.left_out += 1,
        }
        rest.is_some() && given < ELEMENTS
    }

    /// What is told of it.
    pub(super) fn finding(&self) -> Option<Finding> {
        (self.left_out > 0).then(|| {
            Note::PolicyGivesWay.finding(
                Severity::Warning,
                "spec of the pod".to_owned(),
                format!(
                    "policies give more variables, pull secrets and tolerations than a pod is given: {} are left out",
                    self.left_out
                ),
                format!(
                    "give fewer: at most {ELEMENTS} of each, and of all together what {} KiB hold at {BESIDE} bytes and \
                     the name for each",
                    BYTES >> 10
                ),
            )
        })
    }
}
