//! Where one strategy begins to pay, from the times of both by size.

/// A strategy is faster where it takes less than this share of the other's time: what such times are uncertain by.
const FASTER: f64 = 0.98;

/// The smallest of the sizes from which the second time of each pair is the shorter one at every size; `None` where at the
/// largest it is not. Sizes are in rising order, a pair a size.
#[must_use]
pub fn pays_from(sizes: &[usize], pairs: &[(f64, f64)]) -> Option<usize> {
    let faster = pairs.iter().rev().take_while(|(first, second)| *second < FASTER * first).count();
    let at = sizes.len().min(pairs.len()).checked_sub(faster).filter(|_| faster > 0)?;
    sizes.get(at).copied()
}

/// The rows from which packing pays of operands of a kind, raised beyond every size at which it was chosen and lost to the
/// direct form: `seen` are the sizes of that kind with the times of the direct form and of packing.
#[must_use]
pub fn raised(rows: usize, seen: &[(usize, f64, f64)]) -> usize {
    let lost =
        |(size, direct, packing): &(usize, f64, f64)| (*size >= rows && packing > direct).then_some(size + 1);
    seen.iter().filter_map(lost).fold(rows, usize::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Microseconds on one core of an Emerald Rapids guest: direct, and packing on the way.
    const RECORDED: [(usize, f64, f64); 8] = [
        (8, 0.11, 0.17),
        (64, 5.1, 6.0),
        (128, 39.0, 43.0),
        (256, 330.0, 325.0),
        (512, 2900.0, 2550.0),
        (768, 10_600.0, 8500.0),
        (1024, 29_000.0, 20_100.0),
        (2048, 260_000.0, 158_000.0),
    ];

    #[test]
    fn a_strategy_pays_from_where_it_stays_faster() {
        let sizes = RECORDED.map(|row| row.0);
        let pairs = RECORDED.map(|row| (row.1, row.2));
        assert_eq!(pays_from(&sizes, &pairs), Some(512));
        // One that is slower once more pays only beyond that.
        let mut once = pairs;
        once[5].1 = 10_600.0;
        assert_eq!(pays_from(&sizes, &once), Some(1024));
        let swapped = pairs.map(|(a, b)| (b, a));
        assert_eq!(pays_from(&sizes, &swapped), None);
        assert_eq!(pays_from(&[], &[]), None);
        assert_eq!(pays_from(&sizes, &pairs.map(|_| (2.0, 1.0))), Some(8));
    }

    #[test]
    fn a_choice_that_lost_is_not_made_again() {
        let seen: Vec<_> = RECORDED[..4].to_vec();
        assert_eq!(raised(100, &seen), 129, "128 lost");
        assert_eq!(raised(256, &seen), 256, "256 won");
        assert_eq!(raised(1, &seen), 129);
        assert_eq!(raised(usize::MAX, &seen), usize::MAX);
        assert_eq!(raised(7, &[]), 7);
    }
}
