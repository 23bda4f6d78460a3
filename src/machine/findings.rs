//! What was found, where, and why the rest was not.

use crate::document::{Confidence, FactSource, Unknown};

/// A value with its source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact<T> {
    pub(super) value: T,
    source: &'static str,
    confidence: Confidence,
}

impl<T> Fact<T> {
    /// The system says so.
    pub(super) const fn reported(value: T, source: &'static str) -> Self {
        Self { value, source, confidence: Confidence::Reported }
    }

    /// It follows from what the system says.
    pub(super) const fn inferred(value: T, source: &'static str) -> Self {
        Self { value, source, confidence: Confidence::Inferred }
    }

    /// Another value that is known from the same place.
    pub(super) const fn with<U>(&self, value: U) -> Fact<U> {
        Fact { value, source: self.source, confidence: self.confidence }
    }

    /// The same with another value.
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Fact<U> {
        Fact { value: change(self.value), source: self.source, confidence: self.confidence }
    }
}

/// Collects sources and reasons while the machine's fields are filled.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) sources: Vec<FactSource>,
    pub(super) unknown: Vec<Unknown>,
}

impl Findings {
    /// The value of a fact, its source noted; without one, the reason why `field` is null is.
    pub(super) fn keep<T>(
        &mut self,
        field: &str,
        fact: Option<Fact<T>>,
        reason: impl Into<String>,
    ) -> Option<T> {
        match fact {
            Some(fact) => Some(self.known(field, fact)),
            None => {
                self.unknown(field, reason);
                None
            }
        }
    }

    /// The value of a fact, its source noted.
    pub(super) fn known<T>(&mut self, field: &str, fact: Fact<T>) -> T {
        let source = fact.source.to_owned();
        self.sources.push(FactSource { field: field.to_owned(), source, confidence: fact.confidence });
        fact.value
    }

    /// Notes why `field` is null (or less than it could be).
    pub(super) fn unknown(&mut self, field: &str, reason: impl Into<String>) {
        self.unknown.push(Unknown { field: field.to_owned(), reason: reason.into() });
    }
}
