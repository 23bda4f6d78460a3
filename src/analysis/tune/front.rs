//! The Pareto front: settings that no other is better than in everything.

/// What is wanted of a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goods {
    /// The more the better.
    pub rate: f64,
    /// The less the better.
    pub latency_seconds: f64,
    /// The less the better; unknown counts as equal.
    pub memory_bytes: Option<f64>,
    /// The more the better; unknown counts as equal.
    pub quality: Option<f64>,
}

impl Goods {
    /// At least as good in everything, and better in something.
    fn dominates(&self, other: &Self) -> bool {
        let pairs = [
            (self.rate, other.rate),
            (-self.latency_seconds, -other.latency_seconds),
            self.memory_bytes.zip(other.memory_bytes).map_or((0.0, 0.0), |(own, others)| (-own, -others)),
            self.quality.zip(other.quality).unwrap_or((0.0, 0.0)),
        ];
        pairs.iter().all(|(own, others)| own >= others) && pairs.iter().any(|(own, others)| own > others)
    }
}

/// Which of the settings no other dominates; those without figures are on no front.
#[must_use]
pub fn front(settings: &[Option<Goods>]) -> Vec<bool> {
    let others = |goods: &Goods| settings.iter().flatten().any(|other| other.dominates(goods));
    settings.iter().map(|goods| goods.as_ref().is_some_and(|goods| !others(goods))).collect()
}
