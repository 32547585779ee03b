//! What is remembered of each host, as long as it is of use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Values by key, each made when it is first asked for.
#[derive(Debug)]
pub(super) struct Keyed<T> {
    entries: Mutex<HashMap<String, Arc<T>>>,
    /// When there are so many, those that are of no use are forgotten.
    many: usize,
    /// Whether a value that nobody holds would be missed.
    is_of_use: fn(&T) -> bool,
}

impl<T> Keyed<T> {
    pub(super) fn new(many: usize, is_of_use: fn(&T) -> bool) -> Self {
        Self { entries: Mutex::default(), many, is_of_use }
    }

    pub(super) fn get(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.get(key) {
            return Arc::clone(known);
        }
        if entries.len() >= self.many {
            entries.retain(|_, value| Arc::strong_count(value) > 1 || (self.is_of_use)(value));
        }
        let made = Arc::new(make());
        entries.insert(key.to_owned(), Arc::clone(&made));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_or_of_use_stays_and_memory_is_bounded() {
        let keyed = Keyed::new(100, |value: &usize| *value == 1);
        let held = keyed.get("0", || 0);
        for key in 1..500 {
            keyed.get(&key.to_string(), || key);
        }
        assert!(Arc::ptr_eq(&held, &keyed.get("0", || 7)));
        assert_eq!(*keyed.get("1", || 7), 1);
        assert_eq!(*keyed.get("2", || 7), 7);
        assert!(keyed.entries.lock().unwrap().len() <= 100);
    }
}
