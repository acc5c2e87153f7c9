//! The words of the business: typed ids, money, periods, calendars, error codes and the context of an act.
//!
//! Invariants: no clock, no randomness, no I/O and no async in here. Time (`i64`, milliseconds since the UNIX epoch, UTC) and random
//! bytes ([`Entropy`]) arrive as arguments, so a sandbox can live through years in seconds and a simulator can replay a history.

mod calendar;
mod code;
mod ctx;
mod entropy;
mod id;
mod locale;
mod money;
mod number;
mod scalar;
mod words;

pub use calendar::{DAY_MS, HOUR_MS, MINUTE_MS, Month, PERIOD_MONTHS_MAX, Period, PeriodUnit, WorkingDays, Zone};
pub use code::{Class, Code, Refusal};
pub use ctx::{Actor, Ctx};
pub use entropy::Entropy;
pub use id::{
    AccessKeyId, AccountId, AddressId, AgreementId, AuditId, CartLineId, DebugCaseId, DebugTryId, DeliveryId, DepositId, EditionId,
    ExportId, IdError, ListingId, MailId, NoticeId, PriceId, ProductId, RequestId, SellerKeyId, SessionId, SettlementItemId, SkuId,
    StatementId, SubscriptionId, TokenId, TransactionId, UserId,
};
pub use locale::Locale;
pub use money::{Currency, MONEY_MAX_MINOR, Money, Rate};
pub use number::{order_line_number, order_number};
pub use scalar::{FromScalar, Scalar, ScalarError, ToScalar};

#[doc(hidden)]
pub mod macro_support {
    //! What the macros of this crate expand to; not for use by hand.
    pub use serde;
    pub use utoipa;
}
