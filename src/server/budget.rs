//! Budgets that many share: a number of connections, of calls, of bytes. What is taken comes back when it is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// An amount of which shares are taken.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            taken: AtomicUsize::new(0),
        })
    }

    /// How much is taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How much is left.
    pub(super) fn rest(&self) -> usize {
        self.limit.saturating_sub(self.taken())
    }

    /// One of it.
    pub(super) fn one(self: &Arc<Self>) -> Option<Share> {
        let mut share = self.share();
        share.grow(1).then_some(share)
    }

    /// A share of nothing yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: Arc::clone(self),
            amount: 0,
        }
    }

    fn take(&self, amount: usize) -> bool {
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(amount).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }
}

/// A part of a [`Budget`] that somebody holds.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    amount: usize,
}

impl Share {
    /// Takes more; `false` where the budget does not have it.
    pub(super) fn grow(&mut self, amount: usize) -> bool {
        let taken = self.budget.take(amount);
        if taken {
            self.amount += amount;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::new(10);
        let mut share = budget.share();
        assert!(share.grow(4) && share.grow(6));
        assert!(!share.grow(1), "it is used up");
        assert!(!budget.share().grow(usize::MAX), "no sum runs over");
        assert_eq!((budget.taken(), budget.rest()), (10, 0));
        drop(share);
        assert_eq!((budget.taken(), budget.rest()), (0, 10));
    }

    #[test]
    fn what_was_refused_is_not_given_back() {
        let budget = Budget::new(1);
        let one = budget.one();
        assert!(budget.one().is_none());
        assert_eq!(budget.taken(), 1);
        drop(one);
        assert_eq!(budget.taken(), 0);
    }
}
