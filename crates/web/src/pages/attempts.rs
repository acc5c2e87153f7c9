//! An attempt of a call, to be read: what was sent and what came back. Sellers read it, and the operator.

use market::calls::Attempt;
use wire::koogallery_v2::ResultCode;

use super::shell::Words;
use crate::texts;

/// What the macro `attempt` of `templates/parts.html` shows.
#[derive(Clone, Debug)]
pub(crate) struct AttemptCard {
    pub(crate) n: i64,
    pub(crate) kind: String,
    pub(crate) at: String,
    pub(crate) url: String,
    pub(crate) request: String,
    pub(crate) curl: String,
    pub(crate) status: String,
    pub(crate) elapsed: String,
    pub(crate) answer: String,
    pub(crate) verdict: String,
    pub(crate) is_good: bool,
}

impl AttemptCard {
    pub(crate) fn new(attempt: &Attempt, words: &Words) -> Self {
        let verdict = match attempt.verdict.as_str() {
            // The seller's own code, by the published table.
            "answered" => {
                texts::result_code(words.locale, &ResultCode::parse(&code_in(attempt.answer_body.as_deref().unwrap_or_default())))
            }
            word => words.alone("verdict", word),
        };
        Self {
            n: attempt.n,
            kind: words.s(&format!("page-attempt-{}", attempt.kind.word())),
            at: words.time(attempt.at),
            url: attempt.url.clone(),
            request: pretty(&attempt.request_body),
            curl: curl(&attempt.url, &attempt.request_body),
            status: attempt.status.map_or_else(|| "—".to_owned(), |status| status.to_string()),
            elapsed: format!("{} ms", attempt.elapsed_ms),
            answer: attempt.answer_body.as_deref().map_or_else(|| words.s("page-no-answer"), pretty),
            verdict,
            is_good: matches!(attempt.verdict.as_str(), "done" | "pending"),
        }
    }
}

/// The result code of an answer.
fn code_in(body: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    answer["resultCode"].as_str().unwrap_or_default().to_owned()
}

/// JSON with lines and indents; anything else as it is.
pub(crate) fn pretty(body: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(body);
    value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| body.to_owned())
}

/// The request for a shell. What was masked stays masked: signed anew it is by a replay.
pub(crate) fn curl(url: &str, body: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let quoted_body = quoted(body);
    format!("curl -X POST {} -H 'content-type: application/json' -d {quoted_body}", quoted(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_sent_from_a_shell_as_it_was() {
        let line = curl("https://seller.example/it's", r#"{"a":"it's"}"#);
        assert_eq!(line, r#"curl -X POST 'https://seller.example/it'\''s' -H 'content-type: application/json' -d '{"a":"it'\''s"}'"#);
    }

    #[test]
    fn an_answer_is_shown_by_its_parts() {
        assert_eq!(pretty(r#"{"a":1}"#), "{\n  \"a\": 1\n}");
        assert_eq!(pretty("<html>"), "<html>");
        assert_eq!((code_in(r#"{"resultCode":"000004"}"#).as_str(), code_in("x").as_str()), ("000004", ""));
    }
}
