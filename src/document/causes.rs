//! Causes as a file holds them: the indices of the disturbed samples by cause. Most samples are undisturbed, and a word
//! for each of them would be half of the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Cause;

/// No arm has more samples.
const MOST_SAMPLES: usize = 1 << 20;

/// As a list of a word for each sample, which older baselines have, or as indices by cause.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Each(Vec<Cause>),
    Sparse(BTreeMap<Cause, Vec<usize>>),
}

#[expect(clippy::ptr_arg, reason = "serde hands the field as it is")]
pub(super) fn none(causes: &Vec<Cause>) -> bool {
    causes.iter().all(|&cause| cause == Cause::Undisturbed)
}

#[expect(clippy::ptr_arg, reason = "serde hands the field as it is")]
pub(super) fn serialize<S: Serializer>(causes: &Vec<Cause>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut sparse: BTreeMap<Cause, Vec<usize>> = BTreeMap::new();
    for (index, &cause) in causes.iter().enumerate().filter(|(_, cause)| **cause != Cause::Undisturbed) {
        sparse.entry(cause).or_default().push(index);
    }
    sparse.serialize(serializer)
}

/// The list ends with the last disturbed sample; what follows it is undisturbed.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cause>, D::Error> {
    let sparse = match Written::deserialize(deserializer)? {
        Written::Each(causes) => return Ok(causes),
        Written::Sparse(sparse) => sparse,
    };
    let length = sparse.values().flatten().max().map_or(0, |last| last.saturating_add(1));
    if length > MOST_SAMPLES {
        return Err(de::Error::custom("a cause of a sample that no arm has"));
    }
    let mut causes = vec![Cause::Undisturbed; length];
    for (cause, indices) in sparse {
        indices.into_iter().for_each(|index| causes[index] = cause);
    }
    Ok(causes)
}

#[cfg(test)]
mod tests {
    use crate::document::{Arm, Case, Cause};

    #[test]
    fn causes_are_written_as_indices_and_read_in_either_form() {
        let case: Case = "pool/mean-f32/rows@avx512/8x8/t1".parse().unwrap();
        let mut arm = Arm { wall_seconds: vec![1.0; 3], ..Arm::new(case, "int") };
        arm.cause = vec![Cause::Undisturbed, Cause::Preempted, Cause::Undisturbed];
        let text = serde_json::to_string(&arm).unwrap();
        assert!(text.contains(r#""cause":{"preempted":[1]}"#) && text.contains(r#""arm":"int""#), "{text}");
        let read: Arm = serde_json::from_str(&text).unwrap();
        assert_eq!(read.cause, arm.cause[..2]);
        let older = text.replace(r#"{"preempted":[1]}"#, r#"["undisturbed","preempted","undisturbed"]"#);
        assert_eq!(serde_json::from_str::<Arm>(&older).unwrap(), arm);
        let endless = text.replace("[1]", "[18446744073709551615]");
        assert!(serde_json::from_str::<Arm>(&endless).is_err());
        arm.cause = vec![Cause::Undisturbed; 3];
        assert!(!serde_json::to_string(&arm).unwrap().contains("cause"));
    }
}
