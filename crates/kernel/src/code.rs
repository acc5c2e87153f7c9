//! How the business says no: one closed list of codes, each with a stable key.
//!
//! The key is what the API shows, what the translations are keyed by, and what callers may branch on; it never changes its meaning.

use std::fmt;

/// The kind of a refusal; the doors turn it into their own status (HTTP, exit code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What was sent cannot be understood or breaks a rule about its own shape.
    Invalid,
    /// Nobody is signed in, or the sign-in is no longer good.
    Unauthenticated,
    /// Signed in, but not allowed.
    Forbidden,
    /// There is no such thing, or none that the caller may see.
    NotFound,
    /// The thing is in a state, or was changed by someone else, that does not allow this.
    Conflict,
    /// Too much, too often or too large.
    Limited,
    /// Not now; the same request may succeed later.
    Unavailable,
}

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident $key:literal $class:ident),+ $(,)?) => {
        /// Why the business refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$meta])* $variant),+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable key, such as `balance-too-low`.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self { $(Self::$variant => $key),+ }
            }

            /// The kind of refusal.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class),+ }
            }
        }
    };
}

codes! {
    // ---- every door ----
    /// The body is not JSON, or a member is of the wrong kind. `detail`.
    BodyInvalid "body-invalid" Invalid,
    /// The body is larger than the door takes. `max`.
    BodyTooLarge "body-too-large" Limited,
    /// A field breaks its rule. `field`, `rule`.
    FieldInvalid "field-invalid" Invalid,
    /// A query parameter or path segment is wrong. `field`, and `rule` or `detail`.
    ParameterInvalid "parameter-invalid" Invalid,
    /// The content type is not `application/json`.
    MediaTypeUnsupported "media-type-unsupported" Invalid,
    /// No such route or thing.
    NotFound "not-found" NotFound,
    /// The route exists, but not with this method.
    MethodNotAllowed "method-not-allowed" Invalid,
    /// Nobody is signed in.
    SignInNeeded "sign-in-needed" Unauthenticated,
    /// The token or session is unknown, ended or revoked.
    TokenInvalid "token-invalid" Unauthenticated,
    /// The role does not allow this. `permission`.
    RoleMissing "role-missing" Forbidden,
    /// The token's scopes do not allow this. `permission`.
    ScopeMissing "scope-missing" Forbidden,
    /// An API token was shown for something that only a person who has signed in may do.
    SessionNeeded "session-needed" Forbidden,
    /// Too many requests. `seconds`.
    TooManyRequests "too-many-requests" Limited,
    /// The `If-Match` does not fit: someone else changed the thing meanwhile.
    VersionStale "version-stale" Conflict,
    /// `If-Match` is missing where two people may edit.
    VersionMissing "version-missing" Invalid,
    /// The idempotency key was used for another request.
    IdempotencyConflict "idempotency-conflict" Conflict,
    /// An idempotency key must be sent.
    IdempotencyKeyMissing "idempotency-key-missing" Invalid,
    /// The idempotency key is too long or has characters that are not allowed. `max`.
    IdempotencyKeyInvalid "idempotency-key-invalid" Invalid,
    /// A paging cursor that this server did not give.
    CursorInvalid "cursor-invalid" Invalid,
    /// The marketplace itself is at fault. `request_id`.
    Internal "internal" Unavailable,
    /// The database or the disk does not answer now; try again.
    Unavailable "unavailable" Unavailable,
    // ---- money and time ----
    /// Two currencies in one sum. `left`, `right`.
    CurrencyMix "currency-mix" Invalid,
    /// An amount beyond what the market handles.
    AmountTooLarge "amount-too-large" Invalid,
    /// An amount must be greater than zero.
    AmountNotPositive "amount-not-positive" Invalid,
    /// A period is not sold or too long. `max_months`.
    PeriodInvalid "period-invalid" Invalid,
    /// Only a sandbox market's clock can be moved.
    ClockNotSandbox "clock-not-sandbox" Conflict,
    /// The clock only moves forward.
    ClockBackwards "clock-backwards" Invalid,
    /// The clock does not go that far. `latest`.
    ClockTooFar "clock-too-far" Invalid,
    /// Somebody else is moving the clock right now.
    ClockBusy "clock-busy" Conflict,
    // ---- accounts ----
    /// The account name is taken.
    AccountNameTaken "account-name-taken" Conflict,
    /// The sign-in name is taken.
    LoginTaken "login-taken" Conflict,
    /// The sign-in name or the password is wrong.
    SignInWrong "sign-in-wrong" Unauthenticated,
    /// Too many wrong passwords. `minutes`.
    SignInLocked "sign-in-locked" Limited,
    /// The user is disabled.
    UserDisabled "user-disabled" Forbidden,
    /// The password is too short, too long or too common. `min`.
    PasswordWeak "password-weak" Invalid,
    /// The account would have nobody left who owns it.
    LastOwner "last-owner" Conflict,
    /// The account already is a seller.
    AlreadySeller "already-seller" Conflict,
    /// The account is not a seller (or not yet approved).
    NotSeller "not-seller" Forbidden,
    /// More of something than an account may have. `max`.
    TooMany "too-many" Limited,
    /// The role is not one that this account can give.
    RoleNotGrantable "role-not-grantable" Invalid,
    /// An operator account exists already.
    OperatorExists "operator-exists" Conflict,
    /// The account left as a seller and may apply again only later. `earliest`.
    SellerExited "seller-exited" Conflict,
    // ---- catalog ----
    /// The product is not in a state for this. `state`.
    ProductState "product-state" Conflict,
    /// A product is not complete enough to be submitted. `missing`.
    ProductIncomplete "product-incomplete" Conflict,
    /// The product, edition or SKU cannot be bought (any more).
    NotOnSale "not-on-sale" Conflict,
    /// The SKU is not sold for this period.
    PriceMissing "price-missing" Invalid,
    /// The quantity is outside its bounds. `min`, `max`, `step`.
    QuantityInvalid "quantity-invalid" Invalid,
    /// The production address is not allowed. `reason`.
    AddressRefused "address-refused" Invalid,
    /// The production address or key is still used by a product.
    AddressInUse "address-in-use" Conflict,
    /// The review was decided already.
    ReviewDecided "review-decided" Conflict,
    // ---- orders and money ----
    /// The order is not in a state for this. `state`.
    OrderState "order-state" Conflict,
    /// The balance does not cover the amount. `balance`, `needed`.
    BalanceTooLow "balance-too-low" Conflict,
    /// The quoted price has changed since. `quoted`, `current`.
    PriceChanged "price-changed" Conflict,
    /// The buyer and the seller are the same account.
    OwnProduct "own-product" Conflict,
    /// The bank reference was recorded already.
    DepositDuplicate "deposit-duplicate" Conflict,
    // ---- proofs ----
    /// Nothing was posted to the ledger for it.
    NothingPosted "nothing-posted" NotFound,
    /// What was posted for it is under no signed head yet.
    ProofPending "proof-pending" Conflict,
    // ---- subscriptions ----
    /// The subscription is not in a state for this. `state`.
    SubscriptionState "subscription-state" Conflict,
    /// Only period subscriptions can be renewed or changed.
    NotPeriodic "not-periodic" Conflict,
    /// Another order of this subscription is still open. `order`.
    OrderOpen "order-open" Conflict,
    /// A change must raise the price; a lower one is possible only at renewal.
    ChangeNotUpgrade "change-not-upgrade" Conflict,
    /// The target is not a SKU of the same edition.
    ChangeTarget "change-target" Invalid,
    /// A renewal may change it only this close to its end. `days`.
    RenewalChangeTooEarly "renewal-change-too-early" Conflict,
    /// A renewal that changes it is paid for and has not begun.
    RenewalChangePending "renewal-change-pending" Conflict,
    /// The seller's server does not allow this change. `verdict`, and `result_code` when it gave one.
    SellerRefuses "seller-refuses" Conflict,
    /// The seller's server does not answer; try later. `verdict`, and `result_code` when it gave one.
    SellerUnreachable "seller-unreachable" Unavailable,
    /// The refund window is over. `days`.
    RefundWindowOver "refund-window-over" Conflict,
    /// The yearly number of refunds is used up. `max`.
    RefundQuotaUsed "refund-quota-used" Limited,
    /// This cannot be refunded without reason.
    NotRefundable "not-refundable" Conflict,
    /// Frozen by the operator; only the operator unfreezes it.
    FrozenByOperator "frozen-by-operator" Conflict,
    // ---- delivery ----
    /// The call is not in a state for this. `state`.
    DeliveryState "delivery-state" Conflict,
    // ---- debugging ----
    /// Only a try that passed can be kept as a test case.
    DebugNotPassed "debug-not-passed" Conflict,
    /// The production address has another test case of this name.
    CaseNameTaken "case-name-taken" Conflict,
    // ---- settlement ----
    /// The statement is not in a state for this. `state`.
    StatementState "statement-state" Conflict,
    /// The month is not over, or its day of settlement has not come. `earliest`.
    SettlementTooEarly "settlement-too-early" Conflict,
}

/// The business says no: a code and what belongs into its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// Values for the text, by the names that the code's documentation gives.
    pub args: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal without values.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, args: Vec::new() }
    }

    /// The same with a value for its text.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    /// A field that breaks its rule; `rule` is a translation key of the doors, such as `length` or `positive`.
    #[must_use]
    pub fn field(field: &'static str, rule: impl fmt::Display) -> Self {
        Self::new(Code::FieldInvalid).with("field", field).with("rule", rule)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.key())?;
        for (name, value) in &self.args {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_unique_and_well_formed() {
        let keys: BTreeSet<_> = Code::ALL.iter().map(|c| c.key()).collect();
        assert_eq!(keys.len(), Code::ALL.len());
        assert!(keys.iter().all(|k| k.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}
