//! Colours and markers. The series colours are told apart by people with any common kind of colour blindness (after Okabe
//! and Ito), darkened where they would be pale on white; a family has its marker too, so that colour is never alone.

/// What something is drawn in, by its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Text.
    Text,
    /// Text that matters less.
    Muted,
    /// Lines behind the data.
    Grid,
    /// The background.
    Surface,
    /// One of the eight series.
    Series(usize),
    /// A good result.
    Good,
    /// Something to look at.
    Warn,
    /// A bad result.
    Bad,
}

/// Number of series colours.
pub(super) const SERIES: usize = 8;

const LIGHT: [(u8, u8, u8); SERIES] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 145, 106),
    (176, 80, 140),
    (64, 160, 214),
    (196, 136, 0),
    (110, 84, 168),
    (100, 108, 118),
];

impl Ink {
    /// Red, green, blue on a white page: what files are drawn in.
    pub(super) const fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Text => (24, 29, 38),
            Self::Muted => (96, 104, 117),
            Self::Grid => (226, 230, 236),
            Self::Surface => (255, 255, 255),
            Self::Series(i) => LIGHT[i % SERIES],
            Self::Good => (0, 130, 92),
            Self::Warn => (176, 112, 0),
            Self::Bad => (192, 57, 30),
        }
    }

    /// The class that the page's style sheet colours.
    pub(super) fn class(self) -> String {
        match self {
            Self::Text => "ink".to_owned(),
            Self::Muted => "muted".to_owned(),
            Self::Grid => "grid".to_owned(),
            Self::Surface => "surface".to_owned(),
            Self::Series(i) => format!("s{}", i % SERIES),
            Self::Good => "good".to_owned(),
            Self::Warn => "warn".to_owned(),
            Self::Bad => "bad".to_owned(),
        }
    }

    /// The colour of a family of kernels, the same in every picture.
    pub(super) fn of_family(family: &str) -> Self {
        Self::Series(family_index(family))
    }
}

/// The shape of a marked point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A disc.
    Circle,
    /// A square.
    Square,
    /// A square on its corner.
    Diamond,
    /// A triangle that points up.
    Triangle,
    /// A triangle that points down.
    Wedge,
}

impl Marker {
    /// The marker of a family of kernels.
    pub(super) fn of_family(family: &str) -> Self {
        const MARKERS: [Marker; 5] =
            [Marker::Circle, Marker::Square, Marker::Diamond, Marker::Triangle, Marker::Wedge];
        MARKERS[family_index(family) % MARKERS.len()]
    }

    /// The corners around (0, 0) for a marker as large as a disc of radius `r`; none for a disc.
    pub(super) fn corners(self, r: f64) -> Vec<(f64, f64)> {
        let (s, d, t) = (0.89 * r, 1.25 * r, 1.17 * r);
        match self {
            Self::Circle => Vec::new(),
            Self::Square => vec![(-s, -s), (s, -s), (s, s), (-s, s)],
            Self::Diamond => vec![(0.0, -d), (d, 0.0), (0.0, d), (-d, 0.0)],
            Self::Triangle => vec![(0.0, -t), (t, 0.8 * t), (-t, 0.8 * t)],
            Self::Wedge => vec![(0.0, t), (t, -0.8 * t), (-t, -0.8 * t)],
        }
    }
}

/// Families in the order of their colours; a new one shares the colours from the front, by its name.
fn family_index(family: &str) -> usize {
    const FAMILIES: [&str; 9] =
        ["pool", "matmul", "similarity", "norm", "normalize", "quantize", "activation", "softmax", "embed"];
    FAMILIES
        .iter()
        .position(|known| *known == family)
        .unwrap_or_else(|| family.bytes().map(usize::from).sum::<usize>() % FAMILIES.len())
}
