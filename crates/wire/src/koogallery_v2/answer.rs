//! Reading what a seller's server answered, and writing such an answer (spec: protocol §1.3, §1.5 to §1.12, §8.1).
//!
//! The other side is not under our control, so reading never fails: every answer has an [`Outcome`], and what was odd but
//! harmless is a [`Warning`]. A failure is retried within the window of its scene (see [`schedule`](super::schedule));
//! only the renewal-change check has a definite "no". A `Body-Sign` header is neither needed nor looked at.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Activity, ResultCode,
    instance::{AppInfo, InstanceInfo, UsageInfo, UsageValue},
    request::{ID_MAX_CHARS, QUERY_MAX_INSTANCES},
};
use crate::time;

/// Longest answer that is read (ours).
pub const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Longest `resultMsg` (spec: protocol §1.5).
pub const MESSAGE_MAX_CHARS: usize = 255;
/// Longest site address (spec: protocol §1.7).
pub const URL_MAX_CHARS: usize = 512;
/// Longest user name or password (spec: protocol §1.7).
pub const CREDENTIAL_MAX_CHARS: usize = 128;
/// Longest memo (spec: protocol §1.7).
pub const MEMO_MAX_CHARS: usize = 1024;
/// Most usage entries read per instance (ours).
pub const USAGE_MAX_ENTRIES: usize = 100;
/// Longest unknown `resultCode` that is kept; the documented length is 6 (spec: protocol §1.5).
const CODE_MAX_CHARS: usize = 16;
/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What it means for the business.
    pub outcome: Outcome,
    /// The seller's own words, `resultMsg`, cut to its documented length.
    pub message: Option<String>,
    /// What was odd but did not matter, for the seller to see when debugging.
    pub warnings: Vec<Warning>,
}

/// What a call's answer means for the business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is true at the seller.
    Done(Payload),
    /// The seller accepted and works on it: ask again.
    Pending {
        /// The instance that is being created, when the seller already named it.
        instance_id: Option<String>,
    },
    /// It failed: call again within the window of the scene.
    Retry(Failure),
    /// The seller said no; calling again makes no sense.
    Refused(Failure),
}

/// What a successful answer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Nothing beyond success.
    Nothing,
    /// The instance that was created.
    Instance {
        /// Globally unique at the seller.
        instance_id: String,
    },
    /// What is known about the instances asked for; may be empty.
    Instances(Vec<InstanceInfo>),
}

/// Why a call failed. The transport's reasons are for the caller to set, the others come from [`read_answer`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No answer in time.
    #[error("no complete answer within {limit_ms} ms, answer faster or answer 000004 and continue in the background")]
    TimedOut {
        /// How long was waited.
        limit_ms: i64,
    },
    /// No connection.
    #[error("no connection to the production address: {0}")]
    ConnectFailed(String),
    /// No trusted TLS connection.
    #[error("no trusted TLS connection, check the certificate and its chain: {0}")]
    TlsFailed(String),
    /// The address is one that may not be called.
    #[error("the production address may not be called: {0}")]
    AddressRefused(String),
    /// The connection ended inside the answer.
    #[error("the connection ended before the answer was complete")]
    BodyBroken,
    /// The answer is too large.
    #[error("the answer is larger than {limit_bytes} bytes")]
    BodyTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The answer points elsewhere.
    #[error("the answer is a redirect ({0}), redirects are not followed, register the final address")]
    Redirect(u16),
    /// A status other than 200.
    #[error("the HTTP status is {0}, answer 200 and put the problem into resultCode")]
    Status(u16),
    /// No body.
    #[error("the answer has no body, answer a JSON object")]
    Empty,
    /// Bytes in another encoding.
    #[error("the answer is not UTF-8 (declared: {declared}), answer in UTF-8")]
    NotUtf8 {
        /// The charset of the content type, or `none`.
        declared: String,
    },
    /// A web page.
    #[error("the answer is a web page, answer a JSON object")]
    Html,
    /// Not a JSON object.
    #[error("the answer is not a JSON object: {0}")]
    NotJson(String),
    /// No `resultCode`, or an empty one.
    #[error("resultCode is missing")]
    ResultCodeMissing,
    /// `resultCode` is no text.
    #[error("resultCode is {found}, send it as text such as \"000000\"")]
    ResultCodeNotText {
        /// What was sent, as far as it is short.
        found: String,
    },
    /// A created instance without an id.
    #[error("instanceId is missing in a successful newInstance answer")]
    InstanceIdMissing,
    /// An instance id that no later call could carry.
    #[error("instanceId has {chars} characters, at most {ID_MAX_CHARS} are allowed")]
    InstanceIdTooLong {
        /// Its length.
        chars: usize,
    },
    /// An instance id that no query could carry.
    #[error("instanceId must not contain a comma, which separates ids in queryInstance")]
    InstanceIdWithComma,
    /// An instance id that no later call could carry, and no database as text.
    #[error("instanceId must not contain control characters")]
    InstanceIdWithControl,
    /// An instance id that another order already has; for the caller to find out.
    #[error("the instance {0} belongs to another order already, give each order an instance of its own")]
    InstanceTaken(String),
    /// The seller answered with a code of failure.
    #[error("the seller answered {}: {}", .0, .0.meaning_en())]
    Answered(ResultCode),
}

impl Failure {
    /// A stable word for statistics, translations and stored attempts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } => "timed_out",
            Self::ConnectFailed(_) => "connect_failed",
            Self::TlsFailed(_) => "tls_failed",
            Self::AddressRefused(_) => "address_refused",
            Self::BodyBroken => "body_broken",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::Redirect(_) => "redirect",
            Self::Status(_) => "status",
            Self::Empty => "empty",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::Html => "html",
            Self::NotJson(_) => "not_json",
            Self::InstanceTaken(_) => "instance_taken",
            Self::ResultCodeMissing => "result_code_missing",
            Self::ResultCodeNotText { .. } => "result_code_not_text",
            Self::InstanceIdMissing => "instance_id_missing",
            Self::InstanceIdTooLong { .. } => "instance_id_too_long",
            Self::InstanceIdWithComma => "instance_id_with_comma",
            Self::InstanceIdWithControl => "instance_id_with_control",
            Self::Answered(_) => "answered",
        }
    }

    /// The seller's code, when the seller answered with one.
    #[must_use]
    pub fn result_code(&self) -> Option<&ResultCode> {
        match self {
            Self::Answered(code) => Some(code),
            _ => None,
        }
    }
}

/// Something odd in an answer that did not stop it from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where, as a path of member names, or a header.
    pub at: String,
    /// What.
    pub oddity: Oddity,
}

/// What was odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// A mandatory member is missing or empty.
    Missing,
    /// Control characters, which were left out.
    ControlCharacters,
    /// Longer than documented; cut.
    Cut {
        /// The documented limit.
        max: usize,
    },
    /// Longer than documented and useless when cut; left out.
    LeftOut {
        /// The documented limit.
        max: usize,
    },
    /// Another JSON type than documented.
    WrongType,
    /// Not an `http://` or `https://` address; left out.
    NotAWebAddress,
    /// Not a number that fits Double(12,4); the entry is left out.
    NotAUsageValue,
    /// Not a time `yyyyMMddHHmmssSSS`.
    NotATime,
    /// More entries than are read.
    TooMany {
        /// How many were read.
        max: usize,
    },
    /// A byte order mark, which JSON must not have.
    ByteOrderMark,
    /// A content type that does not say JSON in UTF-8.
    ContentType,
    /// A member that V2.0 does not know; ignored.
    NotInV2,
    /// The code means failure elsewhere and success here.
    AlreadyGone,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match &self.oddity {
            Oddity::Missing => write!(formatter, "{at} is missing"),
            Oddity::ControlCharacters => write!(formatter, "{at} holds control characters, which were left out"),
            Oddity::Cut { max } => write!(formatter, "{at} is longer than {max} characters and was cut"),
            Oddity::LeftOut { max } => write!(formatter, "{at} is longer than {max} characters and was left out"),
            Oddity::WrongType => write!(formatter, "{at} has another JSON type than documented"),
            Oddity::NotAWebAddress => write!(formatter, "{at} is not a web address (http or https) and was left out"),
            Oddity::NotAUsageValue => write!(formatter, "{at} is not a number of at most 8 digits and 4 decimals, the entry was left out"),
            Oddity::NotATime => write!(formatter, "{at} is not a UTC time yyyyMMddHHmmssSSS"),
            Oddity::TooMany { max } => write!(formatter, "{at} has more than {max} entries, the rest was left out"),
            Oddity::ByteOrderMark => write!(formatter, "{at} starts with a byte order mark, leave it out"),
            Oddity::ContentType => write!(formatter, "{at} should be application/json with charset UTF-8"),
            Oddity::NotInV2 => write!(formatter, "{at} is not used in V2.0, values are taken as they are"),
            Oddity::AlreadyGone => write!(formatter, "{at} says the instance is unknown, so it counts as released"),
        }
    }
}

/// Judges an answer.
///
/// `content_type` is the header's value, `body` the whole body. Never fails and never panics, whatever the bytes.
#[must_use]
pub fn read_answer(activity: Activity, http_status: u16, content_type: Option<&str>, body: &[u8]) -> Reading {
    let mut reader = Reader { warnings: Vec::new() };
    let mut message = None;
    let outcome = reader.outcome(activity, http_status, content_type.unwrap_or(""), body, &mut message).unwrap_or_else(Outcome::Retry);
    Reading { outcome, message, warnings: reader.warnings }
}

/// Members of one object; of members with one name the last counts.
type Members<'a> = BTreeMap<String, &'a RawValue>;

struct Reader {
    warnings: Vec<Warning>,
}

impl Reader {
    fn outcome(
        &mut self,
        activity: Activity,
        http_status: u16,
        content_type: &str,
        body: &[u8],
        message: &mut Option<String>,
    ) -> Result<Outcome, Failure> {
        match http_status {
            200 => {}
            300..=399 => return Err(Failure::Redirect(http_status)),
            other => return Err(Failure::Status(other)),
        }
        let text = self.text_of(content_type, body)?;
        let members = members_of(text, content_type)?;
        *message = self.cut(&members, "resultMsg", "resultMsg", MESSAGE_MAX_CHARS);
        let code = result_code(&members)?;
        match (activity, code) {
            (_, ResultCode::Success) => self.payload(activity, &members).map(Outcome::Done),
            (Activity::ChangeInstanceCheck, code) => Ok(Outcome::Refused(Failure::Answered(code))),
            (Activity::NewInstance, ResultCode::InProgress) => {
                let instance_id = self.started_instance(&members);
                Ok(Outcome::Pending { instance_id })
            }
            (_, ResultCode::InProgress) => Ok(Outcome::Pending { instance_id: None }),
            (Activity::ReleaseInstance, ResultCode::InstanceUnknown) => {
                self.warn("resultCode", Oddity::AlreadyGone);
                Ok(Outcome::Done(Payload::Nothing))
            }
            (_, code) => Err(Failure::Answered(code)),
        }
    }

    fn warn(&mut self, at: &str, oddity: Oddity) {
        self.warnings.push(Warning { at: at.to_owned(), oddity });
    }

    fn text_of<'a>(&mut self, content_type: &str, body: &'a [u8]) -> Result<&'a str, Failure> {
        if body.len() > BODY_MAX_BYTES {
            return Err(Failure::BodyTooLarge { limit_bytes: BODY_MAX_BYTES });
        }
        let charset = charset(content_type);
        let not_utf8 = || Failure::NotUtf8 { declared: charset.clone().unwrap_or_else(|| "none".to_owned()) };
        let text = std::str::from_utf8(body).map_err(|_| not_utf8())?;
        // Chinese in GBK can be valid UTF-8 by accident, and would then be read as other characters.
        let is_declared_chinese = charset.as_deref().is_some_and(|name| name.starts_with("gb") || name.starts_with("big5"));
        if is_declared_chinese && !text.is_ascii() {
            return Err(not_utf8());
        }
        let is_json = content_type.trim_start().to_ascii_lowercase().starts_with("application/json");
        if !is_json || charset.is_some_and(|name| name != "utf-8" && name != "utf8") {
            self.warn("Content-Type", Oddity::ContentType);
        }
        let text = match text.strip_prefix('\u{feff}') {
            Some(rest) => {
                self.warn("body", Oddity::ByteOrderMark);
                rest
            }
            None => text,
        };
        if text.trim().is_empty() {
            return Err(Failure::Empty);
        }
        Ok(text)
    }

    fn payload(&mut self, activity: Activity, members: &Members<'_>) -> Result<Payload, Failure> {
        match activity {
            Activity::NewInstance => created_instance(members).map(|instance_id| Payload::Instance { instance_id }),
            Activity::QueryInstance => Ok(Payload::Instances(self.instances(members))),
            Activity::RefreshInstance
            | Activity::UpdateInstanceStatus
            | Activity::ReleaseInstance
            | Activity::UpgradeInstance
            | Activity::ChangeInstanceCheck
            | Activity::OrderNotify => Ok(Payload::Nothing),
        }
    }

    /// The id of an instance that is not ready: useful for polling, no reason to fail the call.
    fn started_instance(&mut self, members: &Members<'_>) -> Option<String> {
        let oddity = match created_instance(members) {
            Ok(instance_id) => return Some(instance_id),
            Err(Failure::InstanceIdTooLong { .. }) => Oddity::LeftOut { max: ID_MAX_CHARS },
            Err(Failure::InstanceIdWithComma | Failure::InstanceIdWithControl) => Oddity::WrongType,
            Err(_) => Oddity::Missing,
        };
        self.warn("instanceId", oddity);
        None
    }

    fn instances(&mut self, members: &Members<'_>) -> Vec<InstanceInfo> {
        if present(members, "encryptType").is_some() {
            self.warn("encryptType", Oddity::NotInV2);
        }
        let Some(info) = present(members, "info") else {
            return Vec::new();
        };
        let entries = self.entries(info, "info", QUERY_MAX_INSTANCES);
        entries.iter().enumerate().filter_map(|(index, entry)| self.instance(entry, &format!("info[{index}]"))).collect()
    }

    fn instance(&mut self, entry: &Members<'_>, at: &str) -> Option<InstanceInfo> {
        let instance_id = self.whole(entry, at, "instanceId", ID_MAX_CHARS);
        let Some(instance_id) = instance_id else {
            self.warn(&format!("{at}.instanceId"), Oddity::Missing);
            return None;
        };
        let app_info = present(entry, "appInfo").and_then(|app| {
            let at = format!("{at}.appInfo");
            let members = self.object(app, &at)?;
            Some(self.app_info(&members, &at))
        });
        let mut usage = Vec::new();
        // The industrial-software copy of the page spells it with an s (spec: protocol §1.7).
        for member in ["usageInfo", "usageInfos"] {
            if let Some(list) = present(entry, member) {
                let at = format!("{at}.{member}");
                let entries = self.entries(list, &at, USAGE_MAX_ENTRIES);
                usage.extend(entries.iter().enumerate().filter_map(|(index, entry)| self.usage(entry, &format!("{at}[{index}]"))));
            }
        }
        Some(InstanceInfo { instance_id, app_info, usage })
    }

    fn app_info(&mut self, members: &Members<'_>, at: &str) -> AppInfo {
        if present(members, "frontEndUrl").is_none() {
            self.warn(&format!("{at}.frontEndUrl"), Oddity::Missing);
        }
        AppInfo {
            front_end_url: self.web_address(members, at, "frontEndUrl"),
            admin_url: self.web_address(members, at, "adminUrl"),
            user_name: self.whole(members, at, "userName", CREDENTIAL_MAX_CHARS),
            password: self.whole(members, at, "password", CREDENTIAL_MAX_CHARS),
            memo: self.cut(members, &format!("{at}.memo"), "memo", MEMO_MAX_CHARS),
        }
    }

    fn usage(&mut self, members: &Members<'_>, at: &str) -> Option<UsageInfo> {
        let value_at = format!("{at}.usageValue");
        let usage_value = present(members, "usageValue").and_then(|value| match text_in(value) {
            Some(text) => UsageValue::parse(&text),
            None => UsageValue::parse(value.get()),
        });
        let Some(usage_value) = usage_value else {
            self.warn(&value_at, Oddity::NotAUsageValue);
            return None;
        };
        let statistical_at_ms = present(members, "statisticalTime")
            .and_then(|value| time::from_compact(&text_in(value).unwrap_or_else(|| value.get().to_owned())));
        if statistical_at_ms.is_none() {
            self.warn(&format!("{at}.statisticalTime"), Oddity::NotATime);
        }
        Some(UsageInfo {
            related_instance_id: self.whole(members, at, "relatedInstanceId", ID_MAX_CHARS),
            usage_value,
            statistical_at_ms,
            dashboard_url: self.web_address(members, at, "dashboardUrl"),
        })
    }

    /// A list of objects, limited; what is no list or no object is left out.
    fn entries<'a>(&mut self, list: &'a RawValue, at: &str, max: usize) -> Vec<Members<'a>> {
        let Ok(mut items) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
            self.warn(at, Oddity::WrongType);
            return Vec::new();
        };
        if items.len() > max {
            self.warn(at, Oddity::TooMany { max });
            items.truncate(max);
        }
        items.into_iter().enumerate().filter_map(|(index, item)| self.object(item, &format!("{at}[{index}]"))).collect()
    }

    fn object<'a>(&mut self, value: &'a RawValue, at: &str) -> Option<Members<'a>> {
        let members = serde_json::from_str(value.get()).ok();
        if members.is_none() {
            self.warn(at, Oddity::WrongType);
        }
        members
    }

    /// Text without control characters, which no page shows and not every database keeps; a number is taken as text with a warning, anything
    /// else is left out with one.
    fn text(&mut self, members: &Members<'_>, at: &str, member: &str) -> Option<String> {
        let value = present(members, member)?;
        if let Some(said) = text_in(value) {
            let text = readable(&said);
            if text.len() < said.len() {
                self.warn(at, Oddity::ControlCharacters);
            }
            return Some(text).filter(|text| !text.is_empty());
        }
        self.warn(at, Oddity::WrongType);
        let is_number = value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
        is_number.then(|| value.get().to_owned())
    }

    /// Text that is still useful when cut.
    fn cut(&mut self, members: &Members<'_>, at: &str, member: &str, max: usize) -> Option<String> {
        let text = self.text(members, at, member)?;
        match text.char_indices().nth(max) {
            None => Some(text),
            Some((end, _)) => {
                self.warn(at, Oddity::Cut { max });
                Some(text[..end].to_owned())
            }
        }
    }

    /// Text that is useless when cut.
    fn whole(&mut self, members: &Members<'_>, at: &str, member: &str, max: usize) -> Option<String> {
        let at = format!("{at}.{member}");
        let text = self.text(members, &at, member)?;
        if text.chars().count() > max {
            self.warn(&at, Oddity::LeftOut { max });
            return None;
        }
        Some(text)
    }

    /// An address that a page may link to: no `javascript:` gets through here.
    fn web_address(&mut self, members: &Members<'_>, at: &str, member: &str) -> Option<String> {
        let text = self.whole(members, at, member, URL_MAX_CHARS)?;
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("https://") || lower.starts_with("http://") {
            return Some(text);
        }
        self.warn(&format!("{at}.{member}"), Oddity::NotAWebAddress);
        None
    }
}

/// The charset that a content type declares, in lower case and without quotes.
fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    })
}

fn members_of<'a>(text: &'a str, content_type: &str) -> Result<Members<'a>, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let is_page = text.trim_start().starts_with('<') || content_type.trim_start().to_ascii_lowercase().starts_with("text/html");
        if is_page { Failure::Html } else { Failure::NotJson(error.to_string()) }
    })
}

/// A member that is there and not `null`.
fn present<'a>(members: &Members<'a>, member: &str) -> Option<&'a RawValue> {
    members.get(member).copied().filter(|value| value.get() != "null")
}

/// The text of a JSON string that is valid Unicode.
fn text_in(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// A text without its control characters, but with its lines.
fn readable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).collect()
}

fn result_code(members: &Members<'_>) -> Result<ResultCode, Failure> {
    let value = present(members, "resultCode").ok_or(Failure::ResultCodeMissing)?;
    let Some(text) = text_in(value) else {
        return Err(Failure::ResultCodeNotText { found: value.get().chars().take(CODE_MAX_CHARS).collect() });
    };
    let code = text.trim();
    if code.is_empty() {
        return Err(Failure::ResultCodeMissing);
    }
    // Replaced, not left out: that must not make another code of it.
    let kept: String = code.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).take(CODE_MAX_CHARS).collect();
    Ok(ResultCode::parse(&kept))
}

/// `instanceId` of an answer to newInstance: it must fit into every later call.
fn created_instance(members: &Members<'_>) -> Result<String, Failure> {
    let value = present(members, "instanceId").ok_or(Failure::InstanceIdMissing)?;
    // A bare number can only mean its digits.
    let is_number = value.get().bytes().all(|byte| byte.is_ascii_digit());
    let text = if is_number { Some(value.get().to_owned()) } else { text_in(value) };
    let text = text.filter(|text| !text.trim().is_empty()).ok_or(Failure::InstanceIdMissing)?;
    let chars = text.chars().count();
    if chars > ID_MAX_CHARS {
        return Err(Failure::InstanceIdTooLong { chars });
    }
    if text.contains(',') {
        return Err(Failure::InstanceIdWithComma);
    }
    if text.chars().any(char::is_control) {
        return Err(Failure::InstanceIdWithControl);
    }
    Ok(text)
}

/// An answer for a seller's server to send, with status 200 and [`CONTENT_TYPE`](super::CONTENT_TYPE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    result_code: String,
    result_msg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Vec<InstanceInfo>>,
}

impl Answer {
    /// `000000`.
    #[must_use]
    pub fn success() -> Self {
        Self::of(&ResultCode::Success)
    }

    /// `000004`: accepted, still in progress.
    #[must_use]
    pub fn in_progress() -> Self {
        Self::of(&ResultCode::InProgress)
    }

    /// Any code, with its English meaning as the message.
    #[must_use]
    pub fn of(code: &ResultCode) -> Self {
        Self { result_code: code.as_str().to_owned(), result_msg: code.meaning_en().to_owned(), instance_id: None, info: None }
    }

    /// Another message, cut to the documented length.
    #[must_use]
    pub fn message(mut self, message: &str) -> Self {
        self.result_msg = message.chars().take(MESSAGE_MAX_CHARS).collect();
        self
    }

    /// The instance created (answer to newInstance).
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// What is known about instances (answer to queryInstance).
    #[must_use]
    pub fn info(mut self, info: Vec<InstanceInfo>) -> Self {
        self.info = Some(info);
        self
    }

    /// The body text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an answer holds only text and checked numbers")
    }
}
