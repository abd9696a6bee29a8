//! The open connections of a port, not more than its cap. When every place is taken, a new connection gets that of the
//! one that has idled longest: a client that opens connections and says nothing keeps nobody out.

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

    /// A place for a new connection; `None` where every place is taken, and no connection idles.
    pub(super) fn enter(self: &Arc<Self>, pulse: &Arc<Pulse>) -> Option<Place> {
        let mut open = self.lock();
        if open.by_number.len() >= self.cap {
            let idling = open.by_number.iter().filter(|(_, pulse)| pulse.phase().is_idle());
            // All of them may idle for the same time, so whose time ends first has idled longest.
            let (number, _) = idling.min_by_key(|(_, pulse)| pulse.deadline())?;
            let number = *number;
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
    use super::*;
    use crate::server::{pulse::Phase, settings::ADMIN};

    #[tokio::test]
    async fn the_one_that_idles_longest_gives_way_and_no_other() {
        let crowd = Crowd::new(2);
        let [busy, idle, new, late] = [(); 4].map(|()| Pulse::new(&ADMIN));
        let _busy = crowd.enter(&busy).unwrap();
        let idles = crowd.enter(&idle).unwrap();
        assert!(crowd.enter(&new).is_none(), "both are at work");
        idle.is_made();
        let place = crowd.enter(&new).unwrap();
        assert_eq!((idle.phase(), busy.phase()), (Phase::Displaced, Phase::Headers));
        drop(idles);
        assert_eq!(crowd.len(), 2, "it had no place any more to give back");
        new.is_made();
        busy.is_made();
        let _late = crowd.enter(&late).unwrap();
        assert_eq!((new.phase(), busy.phase()), (Phase::Displaced, Phase::New));
        drop(place);
        assert_eq!(crowd.len(), 2);
    }
}
