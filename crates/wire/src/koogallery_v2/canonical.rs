//! The canonical text of a JSON body: the text that is signed and the text that is sent are one (spec: protocol §1.2).
//!
//! Some sellers verify the bytes they received, others parse the body into a sorted map and write it out again as
//! Jackson does. Sending the canonical form makes both agree.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::{Map, Value, value::RawValue};

use crate::json::string_end;

/// Why a received body has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON object: {detail}")]
pub struct NotAnObject {
    /// What the parser said.
    pub detail: String,
}

/// A member name ordered as Java orders strings: by UTF-16 code unit, which differs from UTF-8 order beyond U+FFFF.
#[derive(PartialEq, Eq)]
struct Name(String);

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.encode_utf16().cmp(other.0.encode_utf16())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Writes the canonical text of an object that we build: members sorted at every level, top-level nulls left out.
#[must_use]
pub fn canonical(members: &Map<String, Value>) -> String {
    let mut out = String::new();
    write_object(&mut out, members.iter().filter(|(_, value)| !value.is_null()));
    out
}

/// Writes a received body again as a verifier does that parses it first: top-level members sorted and nulls left out,
/// nested members in the order received, numbers as they were spelled. Of members with one name the last counts.
///
/// # Errors
/// When the text is not one JSON object, or a string in it is no valid Unicode.
pub fn canonicalize_received(body: &str) -> Result<String, NotAnObject> {
    let broken = |error: serde_json::Error| NotAnObject { detail: error.to_string() };
    let received: BTreeMap<String, &RawValue> = serde_json::from_str(body).map_err(broken)?;
    let members: BTreeMap<Name, &RawValue> = received.into_iter().map(|(name, value)| (Name(name), value)).collect();

    let mut out = String::with_capacity(body.len());
    out.push('{');
    for (name, value) in members.iter().filter(|(_, value)| value.get() != "null") {
        if out.len() > 1 {
            out.push(',');
        }
        write_string(&mut out, &name.0);
        out.push(':');
        write_compact(&mut out, value.get()).map_err(broken)?;
    }
    out.push('}');
    Ok(out)
}

fn write_object<'a>(out: &mut String, members: impl Iterator<Item = (&'a String, &'a Value)>) {
    let mut sorted: Vec<_> = members.collect();
    sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    out.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => write_object(out, members.iter()),
    }
}

/// Jackson's escaping: `"`, `\` and control characters only, `\u00XX` with upper-case digits; `/` and non-ASCII stay.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Copies one valid JSON value without its white space and with its strings escaped our way.
fn write_compact(out: &mut String, value: &str) -> Result<(), serde_json::Error> {
    let bytes = value.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at);
                let text: String = serde_json::from_str(&value[at..end])?;
                write_string(out, &text);
                at = end;
            }
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            // Outside strings valid JSON is ASCII.
            other => {
                out.push(char::from(other));
                at += 1;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn built(text: &str) -> String {
        canonical(serde_json::from_str::<Value>(text).unwrap().as_object().unwrap())
    }

    #[test]
    fn members_are_sorted_at_every_level_and_top_level_nulls_are_left_out() {
        assert_eq!(
            built(r#"{ "b": {"z":null,"a":[1,{"y":2,"x":true}]}, "a": null, "B": "1" }"#),
            r#"{"B":"1","b":{"a":[1,{"x":true,"y":2}],"z":null}}"#
        );
    }

    #[test]
    fn names_are_ordered_by_utf16_code_unit() {
        // U+1F600 is written with surrogates (D83D…), which sort before U+FF01; in UTF-8 it is the other way round.
        let text = "{\"\u{ff01}\":\"1\",\"\u{1f600}\":\"2\"}";
        let sorted = "{\"\u{1f600}\":\"2\",\"\u{ff01}\":\"1\"}";
        assert_eq!(built(text), sorted);
        assert_eq!(canonicalize_received(text).unwrap(), sorted);
    }

    #[test]
    fn strings_are_escaped_as_jackson_does() {
        let text = "\"\\\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}/云\u{2028}😀";
        let mut out = String::new();
        write_string(&mut out, text);
        assert_eq!(out, "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001F\u{7f}/云\u{2028}😀\"");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }

    #[test]
    fn a_received_body_keeps_its_nested_order_and_the_spelling_of_its_numbers() {
        let body = "{ \"z\" : {\"b\" : 1.50, \"a\": [ 1e2 , null ]},\n\"n\":null, \"a\" : \"\\u4e91\\/\" , \"a\":\"x\\u001f\"}";
        assert_eq!(canonicalize_received(body).unwrap(), "{\"a\":\"x\\u001F\",\"z\":{\"b\":1.50,\"a\":[1e2,null]}}");
    }

    #[test]
    fn what_is_no_object_has_no_canonical_form() {
        for body in ["", "[]", "1", "{", "{}x", r#"{"a":"\ud800"}"#] {
            assert!(canonicalize_received(body).is_err(), "{body}");
        }
        assert_eq!(canonicalize_received("{}").unwrap(), "{}");
    }
}
