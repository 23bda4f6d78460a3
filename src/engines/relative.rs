//! MPNet's bias by relative position: one number a bucket of distances and head, shared by all layers.
//!
//! The buckets are those of T5 (Raffel et al., 2020, arXiv:1910.10683, section 2.1): half for keys before the query and
//! half for those after; of each half, one a distance up to its middle, then logarithmically wider ones up to a distance
//! of 128, beyond which all are one.

/// From this distance on all are one bucket.
const FARTHEST: f64 = 128.0;

/// The bucket of a key `offset` places after its query.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "distances and buckets are small and positive"
)]
pub(super) fn bucket(offset: isize, buckets: usize) -> usize {
    let half = buckets / 2;
    let start = if offset > 0 { half } else { 0 };
    let distance = offset.unsigned_abs();
    let exact = half / 2;
    if distance < exact || exact == 0 {
        return start + distance.min(half.saturating_sub(1));
    }
    let share = (distance as f64 / exact as f64).ln() / (FARTHEST / exact as f64).ln();
    start + (exact + (share * (half - exact) as f64) as usize).min(half - 1)
}

/// The bias of every head for each offset from `1 - reach` to `reach - 1`, head by head; `weights` is buckets x heads.
pub(super) fn table(weights: &[f32], heads: usize, reach: usize) -> Vec<f32> {
    let buckets = weights.len() / heads.max(1);
    let mut table = Vec::with_capacity(heads * (2 * reach).saturating_sub(1));
    for head in 0..heads {
        for place in 0..(2 * reach).saturating_sub(1) {
            let offset = place.cast_signed() - (reach.cast_signed() - 1);
            table.push(weights[bucket(offset, buckets) * heads + head]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_widen_with_distance_and_tell_before_from_after() {
        let at = |offset| bucket(offset, 32);
        assert_eq!([0, -1, -7, -8, -15, -127, -500].map(at), [0, 1, 7, 8, 9, 15, 15]);
        assert_eq!([1, 7, 8, 500].map(at), [17, 23, 24, 31]);
        assert!((-200..200).all(|offset| bucket(offset, 2) < 2 && bucket(offset, 4) < 4));
    }

    #[test]
    fn the_table_has_a_row_a_head_centred_on_the_query() {
        let weights: Vec<f32> = (0..64_u8).map(f32::from).collect();
        let table = table(&weights, 2, 3);
        assert_eq!(table, [4.0, 2.0, 0.0, 34.0, 36.0, 5.0, 3.0, 1.0, 35.0, 37.0]);
    }
}
