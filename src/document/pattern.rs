//! Globs over case texts, as filters and budgets use them.

use globset::{GlobBuilder, GlobMatcher};

use super::Case;

/// A glob over case text in which `*` also matches `/`. Without a wildcard it also matches every case that goes on
/// after it with `/` or `@`: `pool`, `pool/mean-f32`, `pool/mean-f32/rows@avx2`.
#[derive(Debug, Clone)]
pub struct CasePattern {
    text: String,
    exact: GlobMatcher,
    prefixes: Option<[GlobMatcher; 2]>,
}

/// A text that is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a pattern: {why}")]
pub struct PatternError {
    text: String,
    why: String,
}

impl CasePattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let fail = |why: String| PatternError { text: text.chars().take(120).collect(), why };
        if text.is_empty() {
            return Err(fail("it is empty".to_owned()));
        }
        let glob = |text: &str| {
            GlobBuilder::new(text)
                .literal_separator(false)
                .build()
                .map(|glob| glob.compile_matcher())
                .map_err(|error| fail(error.kind().to_string()))
        };
        let wild = text.contains(['*', '?', '[', '{']);
        let prefixes =
            if wild { None } else { Some([glob(&format!("{text}/*"))?, glob(&format!("{text}@*"))?]) };
        Ok(Self { text: text.to_owned(), exact: glob(text)?, prefixes })
    }

    /// Whether the case is meant.
    #[must_use]
    pub fn matches(&self, case: &Case) -> bool {
        self.matches_text(&case.to_string())
    }

    /// Whether the text of a case is meant.
    #[must_use]
    pub fn matches_text(&self, text: &str) -> bool {
        self.exact.is_match(text) || self.prefixes.iter().flatten().any(|prefix| prefix.is_match(text))
    }

    /// The pattern as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_crosses_slashes_and_a_word_means_all_that_is_below_it() {
        let case = "pool/mean-f32/rows@avx2/128x384/t1";
        for (pattern, meant) in [
            ("*", true),
            ("pool", true),
            ("pool/*", true),
            ("pool/mean-f32", true),
            ("pool/mean-f32/rows", true),
            ("*@avx2/*", true),
            ("*/t1", true),
            ("{pool,norm}/*", true),
            (case, true),
            ("poo", false),
            ("pool/mean", false),
            ("*/t2", false),
        ] {
            assert_eq!(CasePattern::new(pattern).unwrap().matches_text(case), meant, "{pattern}");
        }
    }

    #[test]
    fn broken_patterns_are_refused() {
        for pattern in ["", "a[", "{a", "[z-a]"] {
            assert!(CasePattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
