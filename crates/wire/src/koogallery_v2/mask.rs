//! Hiding secrets before a request or an answer is stored or shown.
//!
//! Works on text, so that everything else stays byte for byte what was sent.

use serde_json::value::RawValue;

use crate::json::{skip_space, string_end, value_end};

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Member names whose values are secrets, in lower case: the initial password of an instance (spec: protocol §1.7).
const SECRET_MEMBERS: [&str; 1] = ["password"];
/// Query parameters that prove who sent a call, in lower case (spec: protocol §1.2).
const SECRET_PARAMETERS: [&str; 1] = ["signature"];

/// Replaces the value of every member `password`, at any depth and in any case, by `"***"`; `null` stays.
///
/// Text that is not valid JSON is kept up to the first `password` only, because nothing says where its value ends.
#[must_use]
pub fn mask_body(text: &str) -> String {
    let json = text.trim_start_matches('\u{feff}');
    if serde_json::from_str::<&RawValue>(json).is_err() {
        return mask_after_secret_word(text);
    }
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'"' {
            at += 1;
            continue;
        }
        let name_end = string_end(bytes, at);
        let colon = skip_space(bytes, name_end);
        let is_secret = bytes.get(colon) == Some(&b':') && names_a_secret(&text[at..name_end]);
        at = name_end;
        if !is_secret {
            continue;
        }
        let value_start = skip_space(bytes, colon + 1);
        at = value_end(bytes, value_start);
        if &text[value_start..at] != "null" {
            out.push_str(&text[copied..value_start]);
            out.push('"');
            out.push_str(MASK);
            out.push('"');
            copied = at;
        }
    }
    out.push_str(&text[copied..]);
    out
}

/// Replaces the value of the query parameter `signature` by `***`.
#[must_use]
pub fn mask_url(url: &str) -> String {
    let (before_fragment, fragment) = url.find('#').map_or((url, ""), |at| url.split_at(at));
    let Some((address, query)) = before_fragment.split_once('?') else {
        return url.to_owned();
    };
    let parameters: Vec<String> = query.split('&').map(mask_parameter).collect();
    format!("{address}?{}{fragment}", parameters.join("&"))
}

fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) => {
            format!("{name}={MASK}")
        }
        _ => parameter.to_owned(),
    }
}

/// Whether a quoted member name, escapes and all, is one of a secret.
fn names_a_secret(quoted: &str) -> bool {
    serde_json::from_str::<String>(quoted).is_ok_and(|name| SECRET_MEMBERS.contains(&name.to_lowercase().as_str()))
}

fn mask_after_secret_word(text: &str) -> String {
    // Lower-casing ASCII only keeps every index valid in the original text.
    let lower = text.to_ascii_lowercase();
    let first = SECRET_MEMBERS.iter().filter_map(|word| Some(lower.find(word)? + word.len())).min();
    match first {
        Some(end) => format!("{}{MASK}", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_is_hidden() {
        let cases = [
            (
                r#"{"info" : [{"appInfo":{"userName":"admin", "password" : "Init#1"}}]}"#,
                r#"{"info" : [{"appInfo":{"userName":"admin", "password" : "***"}}]}"#,
            ),
            (r#"{"PassWord":123,"memo":"password"}"#, r#"{"PassWord":"***","memo":"password"}"#),
            (r#"{"p\u0061ssword":"a\"b","x":1}"#, r#"{"p\u0061ssword":"***","x":1}"#),
            (r#"{"password":{"a":["}",1]},"x":"password\":"}"#, r#"{"password":"***","x":"password\":"}"#),
            (r#"{"password":null}"#, r#"{"password":null}"#),
            ("\u{feff}{\"password\":\"a\"}", "\u{feff}{\"password\":\"***\"}"),
        ];
        for (text, expected) in cases {
            assert_eq!(mask_body(text), expected);
        }
    }

    #[test]
    fn broken_json_is_cut_at_the_first_password() {
        assert_eq!(mask_body(r#"{"a":x","Password":"s3cret","#), r#"{"a":x","Password***"#);
        assert_eq!(mask_body("<html>云</html>"), "<html>云</html>");
    }

    #[test]
    fn the_signature_of_a_url_is_hidden() {
        assert_eq!(mask_url("https://a.example/x?b=1&signature=AB&timestamp=1#f"), "https://a.example/x?b=1&signature=***&timestamp=1#f");
        assert_eq!(mask_url("https://a.example/x#?signature=1"), "https://a.example/x#?signature=1");
    }
}
