//! Why a case ended as it did, for machines as a stable word and for people in both languages.

use kernel::Locale;

use crate::dialect::{Broken, Refusal, Remark};

/// Longest part of something received that a reason repeats.
const SHOWN_MAX_CHARS: usize = 200;

/// Why a case ended as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// What should have been refused was accepted.
    Accepted,
    /// One order has two instances.
    AnotherInstance {
        /// What was named first.
        first: String,
        /// What was named now.
        now: String,
    },
    /// Two orders have one instance.
    SharedInstance(String),
    /// An instance is being made, and nobody knows which.
    PendingWithoutInstance,
    /// An answer of another kind than asked for.
    OtherAnswer,
    /// Refused, although it was right.
    Refused(Refusal),
    /// Refused, although it was right, by the first call that was believed to be.
    PurchaseRefused(Refusal),
    /// Refused as it should be, with a code that is not the documented one.
    OtherCode(Refusal),
    /// Refused as it should be, and not by an answer in the right form.
    RefusedBadly(Broken),
    /// A right signature was not believed.
    NotBelieved,
    /// No answer, or none in the right form.
    Broken(Broken),
    /// An instance that was asked for is not told about.
    NotTold(String),
    /// Still being made.
    InProgress,
    /// Not ready within the limit.
    NeverReady {
        /// The limit, in ms.
        limit_ms: i64,
        /// What the last answer was.
        last: Box<Reason>,
    },
    /// Told about an instance that nobody asked for.
    Stranger(String),
    /// The buyer's way to the instance lacks its address.
    NoAddress(String),
    /// Told about although it is released.
    StillTold(String),
    /// That it is unknown counts as released, and the guide wants success.
    Gone,
    /// Slower than allowed.
    Slow {
        /// The slowest answer, in ms.
        slowest_ms: i64,
        /// The limit, in ms.
        limit_ms: i64,
        /// How many were slower.
        count: usize,
    },
    /// The slowest answer; for information.
    Fast {
        /// The slowest answer, in ms.
        slowest_ms: i64,
        /// How many calls were made.
        count: usize,
    },
    /// Odd, and readable all the same.
    Odd {
        /// What.
        remark: Remark,
        /// How many answers.
        count: usize,
    },
    /// The address is a number.
    NumericAddress,
    /// The address is on this machine or in a private network, so HTTPS and names are not asked for.
    OwnNetwork,
    /// The server does this at once, so there is nothing to wait for.
    AtOnce,
    /// Products of this kind are never asked for it.
    NotForProduct(&'static str),
    /// The server refuses it as it refuses what it does not know, and it is optional.
    NotOffered,
    /// An earlier case failed.
    After(&'static str),
    /// No instance could be opened for the case.
    NoInstance(Box<Reason>),
    /// The whole check took too long.
    OutOfTime,
    /// The check was told to stop.
    Stopped,
    /// The call could not be built.
    NotSent(String),
    /// Refused, which the guide allows here.
    MayRefuse(String),
}

impl Reason {
    /// A stable word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Accepted => "accepted",
            Self::AnotherInstance { .. } => "another_instance",
            Self::SharedInstance(_) => "shared_instance",
            Self::PendingWithoutInstance => "pending_without_instance",
            Self::OtherAnswer => "other_answer",
            Self::Refused(_) | Self::PurchaseRefused(_) => "refused",
            Self::OtherCode(_) => "other_code",
            Self::RefusedBadly(_) => "refused_badly",
            Self::NotBelieved => "not_believed",
            Self::Broken(broken) => broken.word,
            Self::NotTold(_) => "not_told",
            Self::InProgress => "in_progress",
            Self::NeverReady { .. } => "never_ready",
            Self::Stranger(_) => "stranger",
            Self::NoAddress(_) => "no_address",
            Self::StillTold(_) => "still_told",
            Self::Gone => "gone",
            Self::Slow { .. } => "slow",
            Self::Fast { .. } => "fast",
            Self::Odd { .. } => "odd",
            Self::NumericAddress => "numeric_address",
            Self::OwnNetwork => "own_network",
            Self::AtOnce => "at_once",
            Self::NotForProduct(_) => "not_for_product",
            Self::NotOffered => "not_offered",
            Self::After(_) => "after",
            Self::NoInstance(_) => "no_instance",
            Self::OutOfTime => "out_of_time",
            Self::Stopped => "stopped",
            Self::NotSent(_) => "not_sent",
            Self::MayRefuse(_) => "may_refuse",
        }
    }

    /// The reason for a reader, with what to do about it.
    #[must_use]
    pub fn text(&self, locale: Locale) -> String {
        match locale {
            Locale::En => self.english(),
            Locale::ZhCn => self.chinese(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Accepted => "it was accepted, refuse it".to_owned(),
            Self::AnotherInstance { first, now } => {
                format!("one order has two instances, {} and {}: look the order up before opening another", shown(first), shown(now))
            }
            Self::SharedInstance(id) => format!("{} belongs to another order already, give each order an instance of its own", shown(id)),
            Self::PendingWithoutInstance => "accepted (000004) without an instanceId, name the instance at once".to_owned(),
            Self::OtherAnswer => "the answer is of another kind than what was asked for".to_owned(),
            Self::Refused(refusal) => format!("refused with {}", code_en(refusal)),
            Self::PurchaseRefused(refusal) => format!(
                "refused with {}; check the access key and the clocks, and let a test server take orders that begin with CSCHECK without asking any marketplace about them",
                code_en(refusal)
            ),
            Self::OtherCode(refusal) => format!("refused, as it should be, but with {}", code_en(refusal)),
            Self::RefusedBadly(broken) => format!("not accepted, as it should be, but: {}", broken.en),
            Self::NotBelieved => "the signature is right and was not believed; sign the bytes received, as UTF-8".to_owned(),
            Self::Broken(broken) => broken.en.clone(),
            Self::NotTold(id) => format!("the answer does not tell about {}", shown(id)),
            Self::InProgress => "still in progress (000004)".to_owned(),
            Self::NeverReady { limit_ms, last } => {
                format!(
                    "not ready within {} s ({}); allow more with --opening-limit if it takes that long",
                    limit_ms / 1000,
                    last.english()
                )
            }
            Self::Stranger(id) => format!("the answer tells about {}, which nobody asked for", shown(id)),
            Self::NoAddress(id) => format!("appInfo of {} lacks a usable frontEndUrl, send it or leave appInfo out", shown(id)),
            Self::StillTold(id) => format!("{} is released and is still told about", shown(id)),
            Self::Gone => "answered 000003; that counts as released, but a repeat should be answered 000000".to_owned(),
            Self::Slow { slowest_ms, limit_ms, count } => format!(
                "{count} calls took longer than {limit_ms} ms, the slowest {slowest_ms} ms: answer 000004 and go on in the background"
            ),
            Self::Fast { slowest_ms, count } => format!("the slowest of {count} answers took {slowest_ms} ms"),
            Self::Odd { remark, count } => format!("{} (in {count} answers)", shown(&remark.en)),
            Self::NumericAddress => "the address is a number, register a domain name".to_owned(),
            Self::OwnNetwork => "the address is on this machine or in a private network".to_owned(),
            Self::AtOnce => "the server opens instances at once".to_owned(),
            Self::NotForProduct(product) => format!("not asked for {product} products"),
            Self::NotOffered => "the server does not offer it, which is allowed; --require it if yours should".to_owned(),
            Self::After(case) => format!("makes no sense after {case} failed"),
            Self::NoInstance(why) => format!("needs an instance, and none could be opened: {}", why.english()),
            Self::OutOfTime => "the time for the whole check was over; allow more with --total-limit".to_owned(),
            Self::Stopped => "the check was told to stop".to_owned(),
            Self::NotSent(why) => format!("the call cannot be made: {}", shown(why)),
            Self::MayRefuse(code) => format!("refused with {code}, which is allowed"),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::Accepted => "被接受了，应当拒绝".to_owned(),
            Self::AnotherInstance { first, now } => {
                format!("同一订单有两个实例{}和{}：开通前请先按订单查找", shown(first), shown(now))
            }
            Self::SharedInstance(id) => format!("{}已属于另一订单，每个订单须有自己的实例", shown(id)),
            Self::PendingWithoutInstance => "返回处理中（000004）但没有instanceId，请立即返回实例ID".to_owned(),
            Self::OtherAnswer => "应答的类型与请求不符".to_owned(),
            Self::Refused(refusal) => format!("被拒绝：{}", code_zh(refusal)),
            Self::PurchaseRefused(refusal) => {
                format!("被拒绝：{}；请检查访问密钥和时钟，并让测试服务器直接接受以CSCHECK开头的订单，不向任何云商店查询", code_zh(refusal))
            }
            Self::OtherCode(refusal) => format!("已拒绝，但结果码为{}", code_zh(refusal)),
            Self::RefusedBadly(broken) => format!("未接受，但：{}", broken.zh),
            Self::NotBelieved => "签名正确却未通过验签；请按UTF-8对收到的字节验签".to_owned(),
            Self::Broken(broken) => broken.zh.clone(),
            Self::NotTold(id) => format!("应答中没有{}的信息", shown(id)),
            Self::InProgress => "仍在处理中（000004）".to_owned(),
            Self::NeverReady { limit_ms, last } => {
                format!("{}秒内未就绪（{}）；若确需更久，请用--opening-limit放宽", limit_ms / 1000, last.chinese())
            }
            Self::Stranger(id) => format!("应答中有未查询的实例{}", shown(id)),
            Self::NoAddress(id) => format!("{}的appInfo缺少可用的frontEndUrl，请补上或不返回appInfo", shown(id)),
            Self::StillTold(id) => format!("{}已释放却仍可查询到", shown(id)),
            Self::Gone => "返回000003；视为已释放，但重复释放应返回000000".to_owned(),
            Self::Slow { slowest_ms, limit_ms, count } => {
                format!("{count}次调用超过{limit_ms}毫秒，最慢{slowest_ms}毫秒：请先返回000004再在后台处理")
            }
            Self::Fast { slowest_ms, count } => format!("{count}次应答中最慢的为{slowest_ms}毫秒"),
            Self::Odd { remark, count } => format!("{}（{count}次应答）", shown(&remark.zh)),
            Self::NumericAddress => "地址为IP，请登记域名".to_owned(),
            Self::OwnNetwork => "地址在本机或内网".to_owned(),
            Self::AtOnce => "该服务器同步开通实例".to_owned(),
            Self::NotForProduct(product) => format!("{product}商品不会收到此类请求"),
            Self::NotOffered => "该服务器不支持此可选功能；若应支持，请用--require要求".to_owned(),
            Self::After(case) => format!("{case}未通过，此项无意义"),
            Self::NoInstance(why) => format!("需要一个实例，但未能开通：{}", why.chinese()),
            Self::OutOfTime => "整个检查的时间已用完；请用--total-limit放宽".to_owned(),
            Self::Stopped => "检查被要求停止".to_owned(),
            Self::NotSent(why) => format!("无法发出请求：{}", shown(why)),
            Self::MayRefuse(code) => format!("以{code}拒绝，这是允许的"),
        }
    }
}

fn code_en(refusal: &Refusal) -> String {
    said(&format!("{} ({})", shown(&refusal.code), refusal.meaning_en), refusal.message.as_deref())
}

fn code_zh(refusal: &Refusal) -> String {
    said(&format!("{}（{}）", shown(&refusal.code), refusal.meaning_zh), refusal.message.as_deref())
}

fn said(code: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{code} {:?}", shown(message)),
        None => code.to_owned(),
    }
}

/// Something received, short, and without what would move a terminal's cursor.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
