//! Where labels go so that none covers another.

use super::scene::Anchor;

/// A rectangle that is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Boxed {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Boxed {
    /// The square around a disc.
    pub(super) fn around((x, y): (f64, f64), radius: f64) -> Self {
        Self { x: x - radius, y: y - radius, width: 2.0 * radius, height: 2.0 * radius }
    }

    /// Whether the two share a point.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }

    /// Whether it lies within the bounds.
    pub(super) fn inside(&self, left: f64, top: f64, right: f64, bottom: f64) -> bool {
        self.x >= left && self.y >= top && self.x + self.width <= right && self.y + self.height <= bottom
    }
}

const HEIGHT: f64 = 17.0;

/// A free place beside a point for a text so wide: right, left, above, below, then the corners; `None` when each is taken.
pub(super) fn beside(
    (x, y): (f64, f64),
    width: f64,
    taken: &[Boxed],
    inside: impl Fn(&Boxed) -> bool,
) -> Option<(Boxed, Anchor)> {
    let (gap, half) = (10.0, HEIGHT / 2.0);
    let at = |x: f64, y: f64| Boxed { x, y, width, height: HEIGHT };
    [
        (at(x + gap, y - half), Anchor::Start),
        (at(x - gap - width, y - half), Anchor::End),
        (at(x - width / 2.0, y - gap - HEIGHT), Anchor::Middle),
        (at(x - width / 2.0, y + gap), Anchor::Middle),
        (at(x + gap * 0.8, y - gap - HEIGHT * 0.8), Anchor::Start),
        (at(x + gap * 0.8, y + gap * 0.7), Anchor::Start),
        (at(x - gap * 0.8 - width, y - gap - HEIGHT * 0.8), Anchor::End),
        (at(x - gap * 0.8 - width, y + gap * 0.7), Anchor::End),
    ]
    .into_iter()
    .find(|(place, _)| inside(place) && !taken.iter().any(|other| other.meets(place)))
}

/// Moves heights apart until neighbours are `gap` apart, keeping their order and, where they fit, inside the bounds.
pub(super) fn spread(heights: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]));
    let mut placed: Vec<f64> = order.iter().map(|&i| heights[i].clamp(top.min(bottom), bottom)).collect();
    // A few sweeps that push each too-close pair apart by half its overlap, then one that settles what is left.
    for _ in 0..64 {
        for i in 1..placed.len() {
            let overlap = gap - (placed[i] - placed[i - 1]);
            if overlap > 0.0 {
                placed[i - 1] -= overlap / 2.0;
                placed[i] += overlap / 2.0;
            }
        }
        if let Some(first) = placed.first_mut() {
            *first = first.max(top);
        }
        if let Some(last) = placed.last_mut() {
            *last = last.min(bottom);
        }
    }
    for i in 1..placed.len() {
        placed[i] = placed[i].max(placed[i - 1] + gap);
    }
    let mut out = vec![0.0; heights.len()];
    for (&i, height) in order.iter().zip(placed) {
        out[i] = height;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_moved_apart_in_their_order() {
        let moved = spread(&[100.0, 101.0, 99.0, 300.0], 15.0, 0.0, 400.0);
        assert!(moved[2] + 14.9 < moved[0] && moved[0] + 14.9 < moved[1] && moved[3] == 300.0, "{moved:?}");
        assert!(spread(&[], 15.0, 0.0, 1.0).is_empty());
    }

    #[test]
    fn a_label_finds_the_free_side_or_none() {
        let everywhere = |_: &Boxed| true;
        let (right, anchor) = beside((0.0, 0.0), 50.0, &[], everywhere).unwrap();
        assert_eq!(anchor, Anchor::Start);
        let (left, anchor) = beside((0.0, 0.0), 50.0, &[right], everywhere).unwrap();
        assert_eq!(anchor, Anchor::End);
        assert!(!left.meets(&right));
        let wall = Boxed { x: -500.0, y: -500.0, width: 1000.0, height: 1000.0 };
        assert_eq!(beside((0.0, 0.0), 50.0, &[wall], everywhere), None);
    }
}
