//! What to say (`page`) and how to write it: terminal, JSON, HTML, charts.
