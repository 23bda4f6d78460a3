//! The corpus that ships: mixed English, one text a line.

/// The file.
pub const MIXED: &str = include_str!("../../corpus/mixed.txt");

/// Its texts.
pub fn lines() -> impl Iterator<Item = &'static str> {
    MIXED.lines()
}

/// `count` of the items, spread evenly over them; all of them where that is more.
pub fn spread<T>(items: &[T], count: usize) -> impl Iterator<Item = &T> {
    let count = count.min(items.len());
    (0..count).map(move |i| &items[i * items.len() / count])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_spread_is_even_and_never_more_than_there_is() {
        let items = [0, 1, 2, 3, 4, 5, 6];
        assert_eq!(super::spread(&items, 3).copied().collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(super::spread(&items, 99).count(), 7);
        assert_eq!(super::spread(&items, 0).count(), 0);
        assert!(super::lines().count() >= 400);
    }
}
