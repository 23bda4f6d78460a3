//! A word that two threads write in turns: each waits for the other's number before it writes its own, so that its line
//! moves from one core's cache to the other's as often as it is written.

use std::sync::atomic::{AtomicU64, Ordering};

/// Looks at the word after which a waiting thread lets others run: it may share its CPU with the thread it waits for.
const PATIENCE: u32 = 1 << 14;

/// A word on lines of its own: neighbouring lines may be fetched in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Word(AtomicU64);

impl Word {
    /// Begins anew.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Writes every other number from `first` on, each as soon as the word holds the one before, until `turns` were
    /// written. Answers the last one.
    pub fn take_turns(&self, first: u64, turns: u64) -> u64 {
        let mut last = 0;
        for turn in 0..turns {
            let next = first + 2 * turn;
            self.wait_for(next - 1);
            self.0.store(next, Ordering::Release);
            last = next;
        }
        last
    }

    fn wait_for(&self, wanted: u64) {
        let mut looks = 0_u32;
        while self.0.load(Ordering::Acquire) != wanted {
            // No pause between looks: on some cores it takes longer than the line does.
            looks += 1;
            if looks.is_multiple_of(PATIENCE) {
                std::thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_count_together() {
        let word = Word::default();
        for _ in 0..2 {
            word.reset();
            std::thread::scope(|scope| {
                let even = scope.spawn(|| word.take_turns(2, 1000));
                assert_eq!(word.take_turns(1, 1000), 1999);
                assert_eq!(even.join().unwrap(), 2000);
            });
        }
    }
}
