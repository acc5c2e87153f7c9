//! What is wrong with a body or a query that cannot be read, in the reader's language. Serde says it in English only, and in words of programs.
//!
//! Pure: from Serde's sentence to the key of a message and its values.

use kernel::Locale;

use crate::texts;

/// A sentence about what cannot be read: `path: what Serde says`, as it stands in a refusal's `detail`, in the reader's language.
#[must_use]
pub(crate) fn explained(locale: Locale, said: &str) -> String {
    let (path, said) = path_and_rest(said);
    let (key, args) = message(locale, said);
    let what = texts::part(locale, key, &args);
    if path.is_empty() { what } else { texts::part(locale, "unreadable-at", &[("path", path.to_owned()), ("what", what)]) }
}

/// `lines[0].quantity: invalid type …` apart. A path has no space, and neither `line 1` nor `invalid type` is one.
fn path_and_rest(said: &str) -> (&str, &str) {
    match said.split_once(": ") {
        Some((path, rest)) if !path.contains(' ') => (path, rest),
        _ => ("", said),
    }
}

fn message(locale: Locale, said: &str) -> (&'static str, Vec<(&'static str, String)>) {
    let quoted = |place: usize| said.split('`').nth(place).unwrap_or_default().to_owned();
    let expected = || said.split_once("expected ").map_or("", |(_, what)| what.split(" at line ").next().unwrap_or(what));
    if said.starts_with("missing field") {
        ("unreadable-missing", vec![("name", quoted(1))])
    } else if said.starts_with("unknown member") || said.starts_with("unknown field") {
        ("unreadable-unknown", Vec::new())
    } else if said.starts_with("unknown variant") {
        let choices: Vec<&str> = expected().split('`').skip(1).step_by(2).collect();
        ("unreadable-choice", vec![("given", quoted(1)), ("choices", choices.join(", "))])
    } else if let Some((given, choices)) = said.split_once(" is not one of ") {
        let choices = choices.split(" at line ").next().unwrap_or(choices);
        ("unreadable-choice", vec![("given", given.trim_matches('"').to_owned()), ("choices", choices.to_owned())])
    } else if said.starts_with("invalid type") {
        ("unreadable-kind", vec![("wanted", texts::part(locale, kind(expected()), &[]))])
    } else if said.contains("U+0000") {
        ("unreadable-nul", Vec::new())
    } else if said.contains("EOF while parsing") || said.contains("ended early") {
        ("unreadable-ended", Vec::new())
    } else if let Some((line, column)) = place(said).filter(|_| is_about_json(said)) {
        ("unreadable-json", vec![("line", line), ("column", column)])
    } else {
        ("unreadable-value", Vec::new())
    }
}

/// Which message names the kind of value that Serde expected.
fn kind(expected: &str) -> &'static str {
    const NUMBERS: [&str; 10] = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "usize", "integer"];
    if NUMBERS.iter().any(|number| expected == *number || expected.ends_with(" integer")) {
        "unreadable-kind-number"
    } else if expected.contains("bool") {
        "unreadable-kind-flag"
    } else if expected.contains("sequence") || expected.contains("array") {
        "unreadable-kind-list"
    } else if expected.contains("map") || expected.starts_with("struct") {
        "unreadable-kind-object"
    } else {
        "unreadable-kind-text"
    }
}

/// The end of what `serde_json` says of a text that is no JSON.
fn place(said: &str) -> Option<(String, String)> {
    let (line, column) = said.rsplit_once(" at line ")?.1.split_once(" column ")?;
    Some((line.to_owned(), column.to_owned()))
}

fn is_about_json(said: &str) -> bool {
    const BEGINNINGS: [&str; 10] = [
        "expected ",
        "trailing ",
        "key must be",
        "control character",
        "invalid escape",
        "invalid number",
        "invalid unicode",
        "lone ",
        "unexpected end",
        "recursion limit",
    ];
    BEGINNINGS.iter().any(|beginning| said.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_said_in_the_readers_language() {
        for (said, chinese, english) in [
            ("missing field `items` at line 1 column 2", "缺少 items", "items is missing"),
            ("lines[0]: missing field `sku_id`", "lines[0]：缺少 sku_id", "lines[0]: sku_id is missing"),
            ("lines.0.colour: unknown member", "lines.0.colour：没有这一项", "lines.0.colour: there is no such member"),
            (
                "period.unit: unknown variant `century`, expected `month` or `year` at line 1 column 9",
                "period.unit：“century”不在可选范围内，可选：month, year",
                "period.unit: \"century\" is not one of month, year",
            ),
            (
                "kind: \"club\" is not one of enterprise, individual at line 1 column 3",
                "kind：“club”不在可选范围内，可选：enterprise, individual",
                "kind: \"club\" is not one of enterprise, individual",
            ),
            (
                "lines[0].quantity: invalid type: string \"2\", expected i64 at line 1 column 9",
                "lines[0].quantity：须为整数",
                "lines[0].quantity: must be a whole number",
            ),
            ("name: invalid type: integer `2`, expected a string", "name：须为文本", "name: must be a text"),
            ("items: invalid type: map, expected a sequence", "items：须为列表", "items: must be a list"),
            ("account_id: an id of an account begins with acc_", "account_id：填写的值无法识别", "account_id: the value cannot be read"),
            ("lines: EOF while parsing a value at line 1 column 9", "lines：内容不完整", "lines: it ends too early"),
            ("expected value at line 3 column 7", "第 3 行第 7 列不是合法的 JSON", "not JSON at line 3, column 7"),
            ("trailing characters at line 1 column 15", "第 1 行第 15 列不是合法的 JSON", "not JSON at line 1, column 15"),
            ("a text has the character U+0000", "文本中含有字符 U+0000", "a text has the character U+0000"),
        ] {
            assert_eq!(explained(Locale::ZhCn, said), chinese);
            assert_eq!(explained(Locale::En, said), english);
        }
    }
}
