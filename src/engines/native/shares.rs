//! Neighbouring texts in shares of about the same cost.

/// Where each of some shares of neighbouring texts ends.
#[derive(Clone, Copy)]
pub(super) struct Shares<'a> {
    lengths: &'a [usize],
    /// What a token costs besides one for each token of its text.
    a_token: usize,
    /// Cost of the texts to come.
    cost: usize,
    /// Shares to come.
    left: usize,
}

impl<'a> Shares<'a> {
    /// So many shares of texts of which each token costs `a_token`, and one for each token that it attends to.
    pub(super) fn new(lengths: &'a [usize], shares: usize, a_token: usize) -> Self {
        let cost = lengths.iter().map(|&tokens| cost(tokens, a_token)).sum();
        Self { lengths, a_token, cost, left: shares }
    }

    /// The end of the share that begins at `start`; the last takes what is left.
    pub(super) fn next(&mut self, start: usize) -> usize {
        let (mut end, mut taken) = (start, 0);
        let share = self.cost / self.left.max(1);
        self.left = self.left.saturating_sub(1);
        while let Some(&tokens) = self.lengths.get(end) {
            let next = cost(tokens, self.a_token);
            // As near the even share as whole texts allow.
            if self.left > 0 && end > start && taken + next / 2 > share {
                break;
            }
            taken += next;
            end += 1;
        }
        self.cost -= taken;
        end
    }

    /// What the dearest costs, in parts of an even share.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub(super) fn imbalance(mut self) -> f64 {
        let even = (self.cost as f64 / self.left.max(1) as f64).max(1.0);
        let (mut start, mut dearest) = (0, 0);
        for _ in 0..self.left {
            let before = self.cost;
            start = self.next(start);
            dearest = dearest.max(before - self.cost);
        }
        dearest as f64 / even
    }
}

const fn cost(tokens: usize, a_token: usize) -> usize {
    tokens * (tokens + a_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_every_text_once_and_cost_about_the_same() {
        for (lengths, count) in [
            (vec![64; 32], 8),
            (vec![256, 3, 3, 3, 200, 9], 4),
            (vec![5], 1),
            (vec![5], 3),
            (vec![0, 0], 2),
            (vec![], 2),
        ] {
            for a_token in [16, 2304] {
                let mut shares = Shares::new(&lengths, count, a_token);
                let mut start = 0;
                let mut costs = Vec::new();
                for _ in 0..count {
                    let end = shares.next(start);
                    costs.push(lengths[start..end].iter().map(|&n| cost(n, a_token)).sum::<usize>());
                    start = end;
                }
                assert_eq!(start, lengths.len(), "{lengths:?}");
                let longest = lengths.iter().map(|&n| cost(n, a_token)).max().unwrap_or(0);
                let share = costs.iter().sum::<usize>() / count;
                assert!(costs.iter().all(|&cost| cost <= share + longest + 1), "{lengths:?}: {costs:?}");
            }
        }
    }

    #[test]
    fn imbalance_is_that_of_the_dearest_share() {
        assert_eq!(Shares::new(&[64; 32], 2, 2304).imbalance(), 1.0);
        // 3 of 4 like texts, or rather 2 and 2.
        assert_eq!(Shares::new(&[10; 4], 2, 0).imbalance(), 1.0);
        assert_eq!(Shares::new(&[10; 3], 2, 0).imbalance(), 4.0 / 3.0);
        assert!(Shares::new(&[250, 3, 17, 0, 90], 2, 2304).imbalance() > 1.3);
        assert_eq!(Shares::new(&[10], 2, 0).imbalance(), 2.0);
        assert_eq!(Shares::new(&[], 2, 0).imbalance(), 0.0);
    }
}
