//! Texts for a shape, out of a corpus.

use crate::engines::{EngineError, TextTokenizer};

/// `batch` texts as they come, spread evenly over the corpus; a corpus with fewer is read again from its start.
pub(super) fn mixed(lines: &[&str], batch: usize) -> Vec<String> {
    let step = (lines.len() / batch.max(1)).max(1);
    (0..batch)
        .map(|i| lines.get(i * step % lines.len().max(1)).copied().unwrap_or_default().to_owned())
        .collect()
}

/// `batch` texts of exactly `tokens` tokens each, special ones included, out of the corpus' words in their order.
///
/// # Errors
/// The words of the corpus make no text of that length.
pub(super) fn of_length(
    tokenizer: &TextTokenizer,
    lines: &[&str],
    batch: usize,
    tokens: usize,
) -> Result<Vec<String>, EngineError> {
    if tokens > tokenizer.max_tokens() {
        return Err(EngineError::Input(format!(
            "{tokens} tokens are more than the {} that the model reads",
            tokenizer.max_tokens()
        )));
    }
    let special = tokenizer.ids("")?.len();
    let mut words = lines.iter().flat_map(|line| line.split_whitespace()).cycle();
    let mut skipped = 0;
    let mut texts = Vec::with_capacity(batch);
    while texts.len() < batch {
        let mut text = String::new();
        let mut left = tokens.saturating_sub(special);
        // A word that is too long for the room left gives way to the next; a corpus without short words gives up.
        while left > 0 && skipped < 1000 {
            let Some(word) = words.next() else { break };
            let length = tokenizer.ids(word)?.len().saturating_sub(special);
            if length == 0 || length > left {
                skipped += 1;
                continue;
            }
            skipped = 0;
            left -= length;
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        if tokenizer.ids(&text)?.len() != tokens {
            return Err(EngineError::Input(format!(
                "the corpus makes no text of exactly {tokens} tokens; use BATCHxmixed or another corpus"
            )));
        }
        texts.push(text);
    }
    Ok(texts)
}
