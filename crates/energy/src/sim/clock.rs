//! A clock that moves when somebody waits.

use crate::clock::Clock;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Listener = Box<dyn FnMut(f64) + Send>;

/// Simulated time; clones share it. Waiting moves it on at once and tells the listeners.
#[derive(Clone, Default)]
pub struct VirtualClock(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    now_s: f64,
    listeners: Vec<Listener>,
}

impl VirtualClock {
    /// A clock that stands at `now_s`.
    pub fn at(now_s: f64) -> Self {
        Self(Arc::new(Mutex::new(Inner { now_s, listeners: Vec::new() })))
    }

    /// Calls `listener` with the time after every move, and once now.
    pub fn on_move(&self, mut listener: impl FnMut(f64) + Send + 'static) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listener(inner.now_s);
        inner.listeners.push(Box::new(listener));
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualClock({} s)", self.now_s())
    }
}

impl Clock for VirtualClock {
    fn now_s(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now_s
    }

    fn wait_until(&self, moment_s: f64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if moment_s > inner.now_s && moment_s.is_finite() {
            inner.now_s = moment_s;
            for listener in &mut inner.listeners {
                listener(moment_s);
            }
        }
    }
}
