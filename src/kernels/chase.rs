//! A chase along pointers: each load needs the answer of the one before, so that its time is the latency of memory.
//!
//! The links join all lines of the buffer, in an order that was shuffled, into one cycle, which no prefetcher
//! foresees. One link stands in each line of 64 bytes.

/// Words in a line: links are that far apart.
pub const WORDS_PER_LINE: usize = 8;

/// Follows `steps` links from the word `start` on and answers the word reached.
///
/// # Panics
/// When a link leads out of the buffer.
#[inline(never)]
#[must_use]
pub fn chase(links: &[u64], start: u64, steps: usize) -> u64 {
    let mut at = start;
    for _ in 0..steps {
        #[expect(clippy::cast_possible_truncation, reason = "links are indices of a buffer in memory")]
        let word = at as usize;
        at = links[word];
    }
    at
}

/// Writes one cycle over the lines of `links`, `order` giving the line visited at each step.
///
/// # Panics
/// When a line lies outside of `links`.
pub fn link(order: &[u32], links: &mut [u64]) {
    for (step, &line) in order.iter().enumerate() {
        let next = order[(step + 1) % order.len()];
        links[line as usize * WORDS_PER_LINE] = u64::from(next) * WORDS_PER_LINE as u64;
    }
}

/// The word reached after `steps` links from the first line of the order.
///
/// # Panics
/// When the order is empty.
#[must_use]
pub fn reference_chase(order: &[u32], steps: u64) -> u64 {
    let step = usize::try_from(steps % order.len() as u64).unwrap_or(0);
    u64::from(order[step]) * WORDS_PER_LINE as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chase_visits_every_line_before_it_returns() {
        let order = [0, 3, 1, 4, 2];
        let mut links = vec![u64::MAX; order.len() * WORDS_PER_LINE];
        link(&order, &mut links);
        for steps in 0..11_u64 {
            let reached = chase(&links, 0, usize::try_from(steps).unwrap());
            assert_eq!(reached, reference_chase(&order, steps), "after {steps} steps");
        }
        assert_eq!(chase(&links, 0, 2), 8);
    }
}
