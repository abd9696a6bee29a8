//! What is said of watches and files that fail: each once, and again after a while.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    policy_document::store::{Cause, Change, Resource},
    server::{metrics::Metrics, now},
};

/// What goes on failing in the same way is told again after this time.
pub(super) const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// When each failure was told last.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    watches: BTreeMap<(Resource, Cause), Instant>,
    files: Option<Files>,
}

/// Files that are refused.
#[derive(Debug)]
struct Files {
    why: String,
    since: SystemTime,
    told: Instant,
}

impl Files {
    fn tell(&self) {
        tracing::error!(
            error = self.why,
            "the files of --policy are not read; what they held before stays in force, and a pod that starts now does not start"
        );
    }
}

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
                let failed = self.watches.len();
                self.watches.retain(|(known, _), _| known != resource);
                if self.watches.len() < failed {
                    tracing::info!(resource = resource.as_str(), "changes are seen again");
                }
            }
            Change::FilesRefused(why) => {
                let since = self.files.as_ref().map_or_else(now, |files| files.since);
                metrics.policy_files_refused(since);
                let (why, told) = (why.clone(), at);
                self.files.insert(Files { why, since, told }).tell();
            }
            Change::Files(policies) => {
                metrics.policy_files_read();
                self.files = None;
                tracing::info!(policies = policies.len(), "the files of --policy are read anew");
            }
            Change::Listing(_) | Change::Policy(_) | Change::Namespace(..) | Change::Gone(_) => {}
        }
    }

    /// When it is time to be reminded.
    pub(super) fn remind_at(&self) -> Option<Instant> {
        self.files.as_ref().map(|files| files.told + AGAIN_AFTER)
    }

    /// Tells again of what goes on: files that are refused come but once.
    pub(super) fn remind(&mut self, at: Instant) {
        if let Some(files) = &mut self.files {
            files.told = at;
            files.tell();
        }
    }

    fn is_due(&mut self, resource: Resource, cause: Cause, at: Instant) -> bool {
        let told = self.watches.get(&(resource, cause));
        let is_due = told.is_none_or(|told| at.saturating_duration_since(*told) >= AGAIN_AFTER);
        if is_due {
            self.watches.insert((resource, cause), at);
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

    #[test]
    fn files_that_stay_refused_are_told_again_until_they_are_read() {
        let (mut complaints, metrics, begin) = (Complaints::default(), Metrics::new(), Instant::now());
        assert_eq!(complaints.remind_at(), None);
        let refused = || Change::FilesRefused("policy.yaml: no policy".to_owned());
        complaints.hear(&refused(), &metrics, begin);
        assert_eq!(complaints.remind_at(), Some(begin + AGAIN_AFTER));
        complaints.remind(begin + AGAIN_AFTER);
        assert_eq!(complaints.remind_at(), Some(begin + 2 * AGAIN_AFTER));
        // In another way.
        complaints.hear(&refused(), &metrics, begin + 3 * AGAIN_AFTER);
        assert_eq!(complaints.remind_at(), Some(begin + 4 * AGAIN_AFTER));
        complaints.hear(&Change::Files(Vec::new()), &metrics, begin);
        assert_eq!(complaints.remind_at(), None);
    }
}
