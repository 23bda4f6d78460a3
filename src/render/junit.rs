//! One test case a change or budget.
