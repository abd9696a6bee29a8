//! The open connections of a port, not more than its cap. When every place is taken, a new connection gets that of the
//! one that has idled longest, or is slowest to ask something: clients that open connections and say nothing, or half
//! of what they should, keep nobody out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::pulse::Pulse;

/// The connections of a port.
#[derive(Debug)]
pub(super) struct Crowd {
    cap: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// How many there ever were.
    total: u64,
    by_number: BTreeMap<u64, Arc<Pulse>>,
}

impl Crowd {
    pub(super) fn new(cap: usize) -> Arc<Self> {
        Arc::new(Self {
            cap,
            open: Mutex::default(),
        })
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.lock().by_number.len()
    }

    /// A place for a new connection; `None` where every place is taken by a connection that is within a call.
    pub(super) fn enter(self: &Arc<Self>, pulse: &Arc<Pulse>) -> Option<Place> {
        let mut open = self.lock();
        if open.by_number.len() >= self.cap {
            // What they wait for has the same time for all of them, so whose time ends first has waited longest.
            let waiting = open
                .by_number
                .iter()
                .filter_map(|(number, pulse)| Some((pulse.phase().gives_way()?, pulse.deadline(), *number)));
            let (_, _, number) = waiting.min()?;
            open.by_number.remove(&number)?.displace();
        }
        let number = open.total;
        open.total += 1;
        open.by_number.insert(number, Arc::clone(pulse));
        Some(Place {
            crowd: Arc::clone(self),
            number,
        })
    }

    /// Nothing panics while it is locked.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::server::settings::ADMIN;

    #[tokio::test]
    async fn who_waits_longest_for_its_client_gives_way_and_who_is_within_a_call_does_not() {
        let crowd = Crowd::new(3);
        let [busy, idle, slow, new, late, last] = [(); 6].map(|()| Pulse::new(&ADMIN));
        let is_displaced = |pulse: &Pulse| pulse.displaced().now_or_never().is_some();
        let _busy = crowd.enter(&busy).unwrap();
        let idles = crowd.enter(&idle).unwrap();
        let slows = crowd.enter(&slow).unwrap();
        busy.call_begins();
        idle.is_made();
        let _new = crowd.enter(&new).unwrap();
        assert!(is_displaced(&idle) && !is_displaced(&slow) && !is_displaced(&busy));
        drop(idles);
        assert_eq!(crowd.len(), 3, "it had no place any more to give back");
        new.call_begins();
        let _late = crowd.enter(&late).unwrap();
        assert!(is_displaced(&slow) && !is_displaced(&new) && !is_displaced(&busy));
        drop(slows);
        late.call_begins();
        assert!(crowd.enter(&last).is_none(), "all of them are within a call");
        assert_eq!(crowd.len(), 3);
    }
}
