//! JSON in which every key stands once: of two, most readers keep either silently, and a file merged or edited by hand
//! would be read as something that nobody wrote.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads a document.
///
/// # Errors
/// It is no JSON, a key stands twice in an object, or something follows the end.
pub(super) fn value(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if values.contains_key(&key) {
                let key: String = key.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(de::Error::custom(format!("the key {key:?} stands twice in one object")));
            }
            let Strict(value) = map.next_value()?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_stands_once_at_every_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"a":2}}"#, r#"[{"c":[{"a":null,"b":2,"a":0}]}]"#] {
            let error = value(text).unwrap_err().to_string();
            assert!(error.contains(r#"the key "a" stands twice"#), "{text}: {error}");
        }
        assert!(value(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in ["", "{", "NaN", r#"{"a":NaN}"#, r#"{"a":1e999}"#, "{} {}", &"[".repeat(10_000)] {
            assert!(value(text).is_err(), "{}", text.chars().take(20).collect::<String>());
        }
    }

    proptest! {
        #[test]
        fn without_a_double_key_it_reads_what_everybody_reads(numbers in prop::collection::vec(any::<f64>(), 0..9), word in ".*") {
            let numbers: Vec<f64> = numbers.into_iter().filter(|x| x.is_finite()).collect();
            let known = serde_json::json!({ "numbers": numbers, "word": word, "none": null, "yes": true, "n": [-1, 2] });
            let text = serde_json::to_string(&known).unwrap();
            prop_assert_eq!(value(&text).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        }
    }
}
