//! Every case, in the order in which they are tried: what others rest on comes first.

use crate::case::{
    Action::{Freeze, MayChange, Nonsense, Open, Release, Renew, TakeBack, Tell, Unfreeze, Upgrade},
    Case, Check, Expect, Feature, Manner, Member, No, NonceForm, Order,
    Severity::{self, Must, Should},
    Step, Twist, Which,
};
use crate::text::Text;

const SECOND_MS: i64 = 1_000;
/// Far outside the documented window of 60 seconds, whatever the clocks (spec: protocol §1.2).
const HOUR_MS: i64 = 3_600 * SECOND_MS;
/// Outside the documented window, with a minute for clocks that differ (spec: protocol §1.2).
const TWO_MINUTES_MS: i64 = 120 * SECOND_MS;
/// Calls for one order at one time (ours).
const TOGETHER: u8 = 8;

/// The order that most cases speak of; its instance lives until the end.
pub(crate) const MAIN: Order = Order::new("A");
const SECOND: Order = Order::new("B");
const SECOND_LINE: Order = Order { number: "A", line: 2 };
const THIRD: Order = Order::new("C");
const CLOUD: Order = Order::new("云");
const MARKET: Order = Order::new("市");
const FORGED: Order = Order::new("D");
const GUARDED: Order = Order::new("E");
const STALE: Order = Order::new("F");
const REPLAYED: Order = Order::new("G");
const ONCE_REFUSED: Order = Order::new("H");
const LOST: Order = Order::new("J");
const RACE: Order = Order::new("K");
const INCOMPLETE: Order = Order::new("L");
const REHEARSED: Order = Order::new("M");
const PLAIN: Order = Order::new("N");
const FROZEN: Order = Order::new("P");
const RELEASED: Order = Order::new("Q");
const RENEWAL: Order = Order::new("R1");
const RENEWAL_TO_TAKE_BACK: Order = Order::new("R2");
const RENEWAL_REFUND: Order = Order::new("R3");
const RENEWAL_OF_FROZEN: Order = Order::new("R4");
const RENEWAL_OF_NOBODY: Order = Order::new("R5");
const UPGRADE: Order = Order::new("U1");
const REFUND: Order = Order::new("X1");

const THE_MAIN_ONE: Which = Which::Of(MAIN);
const REFUSALS_OF_FORGERY: &[No] = &[No::NotAuthenticated];
const REFUSALS_OF_PROOF: &[No] = &[No::NotAuthenticated, No::BadParameter];

const fn case(id: &'static str, severity: Severity, title: Text, check: Check) -> Case {
    Case { id, title, severity, feature: None, needs: &[MAIN], follows: None, check }
}

const fn steps(id: &'static str, severity: Severity, title: Text, steps: &'static [Step]) -> Case {
    case(id, severity, title, Check::Steps(steps))
}

impl Case {
    const fn needing(self, needs: &'static [Order]) -> Self {
        Self { needs, ..self }
    }

    const fn of(self, feature: Feature) -> Self {
        Self { feature: Some(feature), ..self }
    }

    const fn following(self, id: &'static str) -> Self {
        Self { follows: Some(id), ..self }
    }
}

/// All of them.
pub const CASES: &[Case] = &[
    case(
        "address",
        Must,
        Text::new(
            "the address is HTTPS under a domain name, with a certificate that is trusted",
            "生产地址须为域名形式的HTTPS地址，证书受信任",
        ),
        Check::Address,
    )
    .needing(&[]),
    case(
        "answers",
        Must,
        Text::new(
            "every call is answered with HTTP 200 and one JSON object that has a resultCode",
            "每次调用均返回HTTP 200和一个含resultCode的JSON对象",
        ),
        Check::FirstAnswer,
    )
    .needing(&[]),
    steps(
        "purchase",
        Must,
        Text::new("a purchase opens an instance and names it", "新购开通实例并返回实例ID"),
        &[Step::call(Open(MAIN), Expect::Opened)],
    )
    .needing(&[]),
    steps(
        "purchase-repeat",
        Must,
        Text::new("the same order again gets the same instance", "同一订单重复请求须返回同一实例"),
        &[Step::call(Open(MAIN), Expect::Opened), Step::call(Open(MAIN), Expect::Opened)],
    )
    .needing(&[])
    .following("purchase"),
    case(
        "asynchronous-opening",
        Must,
        Text::new("an instance that is made in the background becomes ready", "异步开通的实例最终可查询到"),
        Check::Opening,
    )
    .needing(&[])
    .following("purchase"),
    steps(
        "query",
        Must,
        Text::new("a query tells about the instance that it asks for", "查询实例须返回所查实例的信息"),
        &[Step::call(Tell(&[THE_MAIN_ONE]), Expect::Told)],
    ),
    steps(
        "two-orders",
        Must,
        Text::new("two orders get two instances", "两个订单开通两个实例"),
        &[Step::call(Open(SECOND), Expect::Opened)],
    ),
    steps(
        "two-lines",
        Must,
        Text::new("two lines of one order get two instances", "同一订单的两个订单行开通两个实例"),
        &[Step::call(Open(SECOND_LINE), Expect::Opened)],
    )
    .of(Feature::Lines),
    steps(
        "query-many",
        Must,
        Text::new("a query for several instances tells about all of them and no other", "批量查询须返回且仅返回所查的全部实例"),
        &[Step::call(Tell(&[THE_MAIN_ONE, Which::Of(SECOND), Which::Of(THIRD)]), Expect::Told)],
    )
    .needing(&[MAIN, SECOND, THIRD])
    .following("query"),
    steps(
        "text-in-values",
        Must,
        Text::new("Chinese and escaped text does not spoil the signature", "参数值含中文和转义字符时验签仍须正确"),
        &[Step::call(Tell(&[Which::Strange]), Expect::Believed)],
    ),
    steps(
        "text-kept-apart",
        Must,
        Text::new("orders that differ in Chinese text only are two orders", "仅中文字符不同的订单是不同的订单"),
        &[Step::call(Open(CLOUD), Expect::OpenedOr(&[])), Step::call(Open(MARKET), Expect::OpenedOr(&[]))],
    ),
    steps(
        "wrong-signature",
        Must,
        Text::new("a call with a wrong signature is refused", "签名错误的请求须拒绝"),
        &[
            Step::twisted(Open(FORGED), Twist::WrongKey, Expect::Refused(REFUSALS_OF_FORGERY)),
            Step::twisted(Open(FORGED), Twist::ChangedBody, Expect::Refused(REFUSALS_OF_FORGERY)),
        ],
    ),
    steps(
        "missing-signature",
        Must,
        Text::new("a call without a signature is refused", "缺少签名的请求须拒绝"),
        &[
            Step::twisted(Open(FORGED), Twist::NoSignature, Expect::Refused(REFUSALS_OF_PROOF)),
            Step::twisted(Open(FORGED), Twist::NoProof, Expect::Refused(REFUSALS_OF_PROOF)),
        ],
    ),
    steps(
        "forged-call-has-no-effect",
        Must,
        Text::new("a forged release releases nothing", "伪造的释放请求不得生效"),
        &[
            Step::call(Tell(&[Which::Of(GUARDED)]), Expect::Told),
            Step::twisted(Release(Which::Of(GUARDED), None), Twist::WrongKey, Expect::Refused(REFUSALS_OF_FORGERY)),
            Step::call(Tell(&[Which::Of(GUARDED)]), Expect::Told),
        ],
    )
    .needing(&[GUARDED])
    .following("query"),
    steps(
        "old-timestamp",
        Must,
        Text::new("a call that was signed an hour ago is refused", "一小时前签名的请求须拒绝"),
        &[Step::twisted(Open(STALE), Twist::Ago(HOUR_MS), Expect::Refused(REFUSALS_OF_PROOF))],
    ),
    steps(
        "timestamp-window",
        Should,
        Text::new("a call that was signed two minutes ago is refused: the window is 60 seconds", "两分钟前签名的请求应拒绝：有效期为60秒"),
        &[Step::twisted(Open(STALE), Twist::Ago(TWO_MINUTES_MS), Expect::Refused(REFUSALS_OF_PROOF))],
    ),
    steps(
        "future-timestamp",
        Should,
        Text::new("a call that is dated an hour ahead is refused", "时间戳超前一小时的请求应拒绝"),
        &[Step::twisted(Open(STALE), Twist::Ahead(HOUR_MS), Expect::Refused(REFUSALS_OF_PROOF))],
    ),
    steps(
        "missing-timestamp",
        Should,
        Text::new("a call without a timestamp is refused", "缺少时间戳的请求应拒绝"),
        &[Step::twisted(Open(STALE), Twist::NoTimestamp, Expect::Refused(REFUSALS_OF_PROOF))],
    ),
    steps(
        "missing-nonce",
        Should,
        Text::new("a call without a nonce is refused", "缺少随机数nonce的请求应拒绝"),
        &[Step::twisted(Open(STALE), Twist::NoNonce, Expect::Refused(REFUSALS_OF_PROOF))],
    ),
    steps(
        "nonce-forms",
        Must,
        Text::new("nonces of 16, 32 and 64 characters are taken", "16、32、64位的nonce均须接受"),
        &[
            Step::twisted(Tell(&[THE_MAIN_ONE]), Twist::Nonce(NonceForm::Alphanumeric16), Expect::Told),
            Step::twisted(Tell(&[THE_MAIN_ONE]), Twist::Nonce(NonceForm::Alphanumeric32), Expect::Told),
            Step::twisted(Tell(&[THE_MAIN_ONE]), Twist::Nonce(NonceForm::Hex64), Expect::Told),
        ],
    )
    .following("query"),
    steps(
        "nonce-repeated",
        Must,
        Text::new("a call that is replayed byte for byte is refused, or has no second effect", "原样重放的请求须拒绝，或不产生第二次效果"),
        &[Step::call(Open(REPLAYED), Expect::Opened), Step::twisted(Open(REPLAYED), Twist::Replayed, Expect::OpenedOr(REFUSALS_OF_PROOF))],
    ),
    steps(
        "signature-case",
        Should,
        Text::new("a signature in lower-case hex is taken as well", "小写十六进制的签名也应接受"),
        &[Step::twisted(Tell(&[THE_MAIN_ONE]), Twist::LowerCase, Expect::Told)],
    )
    .following("query"),
    steps(
        "retry-after-refusal",
        Must,
        Text::new("an order whose first call was refused is opened by a right one", "首次调用被拒绝的订单，正确重试后须开通"),
        &[Step::twisted(Open(ONCE_REFUSED), Twist::WrongKey, Expect::Whatever), Step::call(Open(ONCE_REFUSED), Expect::Opened)],
    ),
    steps(
        "retry-after-lost-answer",
        Must,
        Text::new("a call whose answer was lost succeeds when it is made again", "应答丢失后重试须成功"),
        &[
            Step::call(Open(LOST), Expect::Whatever).made(Manner::CutShort),
            Step::call(Open(LOST), Expect::Opened),
            Step::call(Open(LOST), Expect::Opened),
        ],
    ),
    steps(
        "concurrent-duplicates",
        Must,
        Text::new("the same order many times at once gets one instance", "同一订单的并发请求只开通一个实例"),
        &[Step::call(Open(RACE), Expect::OpenedOr(&[])).made(Manner::Together(TOGETHER)), Step::call(Open(RACE), Expect::Opened)],
    ),
    steps(
        "unknown-activity",
        Must,
        Text::new("an activity that the server does not know is refused", "未知的activity须拒绝"),
        &[Step::call(Nonsense, Expect::Refused(&[No::BadParameter]))],
    ),
    steps(
        "missing-parameter",
        Must,
        Text::new("a call without a mandatory member is refused", "缺少必选参数的请求须拒绝"),
        &[
            Step::twisted(Open(INCOMPLETE), Twist::Without(Member::Order), Expect::Refused(&[No::BadParameter])),
            Step::twisted(Tell(&[THE_MAIN_ONE]), Twist::Without(Member::Instance), Expect::TellsNothing),
        ],
    ),
    steps(
        "unknown-instance",
        Must,
        Text::new("what is asked about an instance that never was is refused", "对不存在的实例的操作须拒绝"),
        &[
            Step::call(Tell(&[Which::Nobody]), Expect::TellsNothing),
            Step::call(Freeze(Which::Nobody), Expect::Refused(&[No::UnknownInstance])).with(Feature::Status),
            Step::call(Renew(Which::Nobody, RENEWAL_OF_NOBODY), Expect::Refused(&[No::UnknownInstance])).with(Feature::Renewal),
            Step::call(Release(Which::Nobody, None), Expect::DoneOrUnknown),
        ],
    ),
    steps(
        "debugging",
        Must,
        Text::new("a debugging call succeeds and does not stand in the way of the order", "调试请求须成功，且不影响该订单的正式开通"),
        &[Step::twisted(Open(REHEARSED), Twist::Debugging, Expect::Rehearsed), Step::call(Open(REHEARSED), Expect::Opened)],
    ),
    steps(
        "debugging-has-no-effect",
        Should,
        Text::new("a debugging release releases nothing", "调试的释放请求不应生效"),
        &[
            Step::call(Tell(&[Which::Of(REHEARSED)]), Expect::Told),
            Step::twisted(Release(Which::Of(REHEARSED), None), Twist::Debugging, Expect::Answer),
            Step::call(Tell(&[Which::Of(REHEARSED)]), Expect::Told),
        ],
    )
    .needing(&[REHEARSED])
    .following("query"),
    steps(
        "test-flag-zero",
        Should,
        Text::new("testFlag \"0\" is a real call, as older copies of the guide send it", "testFlag为\"0\"是正式请求（旧版指南的写法）"),
        &[Step::twisted(Open(PLAIN), Twist::NotDebugging, Expect::Opened), Step::call(Tell(&[Which::Of(PLAIN)]), Expect::Told)],
    )
    .following("query"),
    steps("renewal", Must, Text::new("a renewal succeeds", "续费须成功"), &[Step::call(Renew(THE_MAIN_ONE, RENEWAL), Expect::Done)])
        .of(Feature::Renewal),
    steps(
        "renewal-repeat",
        Must,
        Text::new("the same renewal again succeeds", "同一续费订单重复请求须成功"),
        &[Step::call(Renew(THE_MAIN_ONE, RENEWAL), Expect::Whatever), Step::call(Renew(THE_MAIN_ONE, RENEWAL), Expect::Done)],
    )
    .of(Feature::Renewal)
    .following("renewal"),
    steps(
        "renewal-taken-back",
        Must,
        Text::new("a renewal can be taken back", "续费可以退订"),
        &[
            Step::call(Renew(THE_MAIN_ONE, RENEWAL_TO_TAKE_BACK), Expect::Whatever),
            Step::call(TakeBack(THE_MAIN_ONE, RENEWAL_REFUND), Expect::Done),
        ],
    )
    .of(Feature::Renewal)
    .following("renewal"),
    steps(
        "freeze",
        Must,
        Text::new("an instance can be frozen", "实例可以冻结"),
        &[Step::call(Tell(&[Which::Of(FROZEN)]), Expect::Told), Step::call(Freeze(Which::Of(FROZEN)), Expect::Done)],
    )
    .of(Feature::Status)
    .needing(&[FROZEN]),
    steps(
        "freeze-repeat",
        Must,
        Text::new("freezing again succeeds", "重复冻结须成功"),
        &[Step::call(Freeze(Which::Of(FROZEN)), Expect::Whatever), Step::call(Freeze(Which::Of(FROZEN)), Expect::Done)],
    )
    .of(Feature::Status)
    .needing(&[FROZEN])
    .following("freeze"),
    steps(
        "frozen-instance-is-kept",
        Must,
        Text::new("a frozen instance is still known", "冻结的实例须保留"),
        &[Step::call(Freeze(Which::Of(FROZEN)), Expect::Whatever), Step::call(Tell(&[Which::Of(FROZEN)]), Expect::Told)],
    )
    .of(Feature::Status)
    .needing(&[FROZEN])
    .following("freeze"),
    steps(
        "renewal-of-frozen",
        Must,
        Text::new("a frozen instance can be renewed", "冻结的实例可以续费"),
        &[
            Step::call(Freeze(Which::Of(FROZEN)), Expect::Whatever).with(Feature::Status),
            Step::call(Renew(Which::Of(FROZEN), RENEWAL_OF_FROZEN), Expect::Done),
        ],
    )
    .of(Feature::Renewal)
    .needing(&[FROZEN])
    .following("renewal"),
    steps(
        "unfreeze",
        Must,
        Text::new("a frozen instance can be unfrozen", "冻结的实例可以解冻"),
        &[Step::call(Freeze(Which::Of(FROZEN)), Expect::Whatever), Step::call(Unfreeze(Which::Of(FROZEN)), Expect::Done)],
    )
    .of(Feature::Status)
    .needing(&[FROZEN])
    .following("freeze"),
    steps(
        "unfreeze-repeat",
        Must,
        Text::new("unfreezing again succeeds", "重复解冻须成功"),
        &[Step::call(Unfreeze(Which::Of(FROZEN)), Expect::Whatever), Step::call(Unfreeze(Which::Of(FROZEN)), Expect::Done)],
    )
    .of(Feature::Status)
    .needing(&[FROZEN])
    .following("unfreeze"),
    steps(
        "upgrade",
        Must,
        Text::new("an upgrade succeeds and leaves the instance its id", "升级须成功且实例ID不变"),
        &[Step::call(Upgrade(THE_MAIN_ONE, UPGRADE), Expect::Done), Step::call(Tell(&[THE_MAIN_ONE]), Expect::Told)],
    )
    .of(Feature::Upgrade),
    steps(
        "upgrade-repeat",
        Must,
        Text::new("the same upgrade again succeeds", "同一升级订单重复请求须成功"),
        &[Step::call(Upgrade(THE_MAIN_ONE, UPGRADE), Expect::Whatever), Step::call(Upgrade(THE_MAIN_ONE, UPGRADE), Expect::Done)],
    )
    .of(Feature::Upgrade)
    .following("upgrade"),
    steps(
        "renewal-check",
        Must,
        Text::new("whether a renewal may change the instance is answered", "续费变更校验须有应答"),
        &[Step::call(MayChange(THE_MAIN_ONE), Expect::Answer)],
    )
    .of(Feature::RenewalCheck),
    steps(
        "release",
        Must,
        Text::new("an instance is released after a refund", "退订后实例可以释放"),
        &[Step::call(Release(Which::Of(RELEASED), Some(REFUND)), Expect::Done)],
    )
    .needing(&[RELEASED]),
    steps(
        "release-repeat",
        Must,
        Text::new("the same release again succeeds", "重复释放须成功"),
        &[
            Step::call(Release(Which::Of(RELEASED), Some(REFUND)), Expect::Whatever),
            Step::call(Release(Which::Of(RELEASED), Some(REFUND)), Expect::DoneOrGone),
        ],
    )
    .needing(&[RELEASED])
    .following("release"),
    steps(
        "release-has-effect",
        Should,
        Text::new("a released instance is told about no more", "已释放的实例不应再被查询到"),
        &[
            Step::call(Release(Which::Of(RELEASED), Some(REFUND)), Expect::Whatever),
            Step::call(Tell(&[Which::Of(RELEASED)]), Expect::ToldNoMore),
        ],
    )
    .needing(&[RELEASED])
    .following("release"),
    steps(
        "release-without-order",
        Must,
        Text::new("an instance whose time is over is released without an order", "到期实例的释放请求不带订单号也须成功"),
        &[Step::call(Release(Which::Of(SECOND), None), Expect::Done)],
    )
    .needing(&[SECOND]),
    case("time-limit", Must, Text::new("every answer is there within the time limit", "每次应答均在时限内返回"), Check::Times).needing(&[]),
    case("content-type", Should, Text::new("answers say that they are JSON in UTF-8", "应答应声明为UTF-8编码的JSON"), Check::ContentTypes)
        .needing(&[]),
    case("members", Should, Text::new("answers keep the documented types and lengths", "应答应符合文档规定的类型和长度"), Check::Oddities)
        .needing(&[]),
];

/// The case with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.id == id)
}
