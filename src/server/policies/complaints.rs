//! What is said of watches and files that fail: each once, and again after a while.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    policy_document::store::{Cause, Change, Resource},
    server::metrics::Metrics,
};

/// What goes on failing in the same way is told again after this time.
pub(super) const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// When each failure was told last.
#[derive(Debug, Default)]
pub(super) struct Complaints(BTreeMap<(Resource, Cause), Instant>);

impl Complaints {
    /// Counts what failed, and writes a line where it is time for one.
    pub(super) fn hear(&mut self, change: &Change, metrics: &Metrics, at: Instant) {
        match change {
            Change::Failed(resource, cause, sentence) => {
                metrics.watch_failed(*resource, *cause);
                if self.is_due(*resource, *cause, at) {
                    let (resource, cause) = (resource.as_str(), cause.as_str());
                    tracing::warn!(
                        resource,
                        cause,
                        error = sentence,
                        "changes are not seen; it is tried again"
                    );
                }
            }
            Change::Listed(resource) => {
                let failed = self.0.len();
                self.0.retain(|(known, _), _| known != resource);
                if self.0.len() < failed {
                    tracing::info!(resource = resource.as_str(), "changes are seen again");
                }
            }
            Change::FilesRefused(error) => {
                metrics.policy_files_refused();
                tracing::error!(
                    error,
                    "the files of --policy are not read; what they held before stays in force"
                );
            }
            Change::Files(policies) => {
                tracing::info!(policies = policies.len(), "the files of --policy are read anew");
            }
            Change::Listing(_) | Change::Policy(_) | Change::Namespace(..) | Change::Gone(_) => {}
        }
    }

    fn is_due(&mut self, resource: Resource, cause: Cause, at: Instant) -> bool {
        let told = self.0.get(&(resource, cause));
        let is_due = told.is_none_or(|told| at.saturating_duration_since(*told) >= AGAIN_AFTER);
        if is_due {
            self.0.insert((resource, cause), at);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_again_after_a_while() {
        let (mut complaints, begin) = (Complaints::default(), Instant::now());
        let mut due = |cause, after| complaints.is_due(Resource::Namespaces, cause, begin + after);
        assert!(due(Cause::Forbidden, Duration::ZERO));
        assert!(!due(Cause::Forbidden, Duration::from_secs(1)));
        assert!(
            due(Cause::Unavailable, Duration::from_secs(2)),
            "that is another one"
        );
        assert!(!due(Cause::Forbidden, AGAIN_AFTER / 2));
        assert!(due(Cause::Forbidden, AGAIN_AFTER));
        assert!(!due(Cause::Forbidden, AGAIN_AFTER + Duration::from_secs(1)));
    }
}
