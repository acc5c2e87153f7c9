//! Books, the ways money may take between them, and the kinds of entry that take them.

use std::fmt;
use std::str::FromStr;

use kernel::{AccountId, FromScalar, Scalar, ScalarError, ToScalar};
use serde::{Serialize, Serializer};

kernel::words! {
    /// The kinds of book.
    pub enum BookKind {
        /// The bank: everything that came in from outside, negative.
        Bank = "bank",
        /// A buyer's balance.
        Buyer = "buyer",
        /// Money held for an order until it is delivered.
        Held = "held",
        /// A seller's sales that are not in a statement yet, and what a statement carried.
        SellerPending = "seller-pending",
        /// What a statement found payable to a seller.
        SellerPayable = "seller-payable",
        /// The platform's fee, without its tax.
        PlatformFee = "platform-fee",
        /// The tax inside the platform's fee.
        Tax = "tax",
        /// The way back to the buyer; always empty after a transaction.
        Refund = "refund",
    }
}

impl BookKind {
    /// Whether a book of this kind may never owe. A seller's pending book may: refunds can exceed sales (spec: business §7.6).
    #[must_use]
    pub(super) const fn never_negative(self) -> bool {
        matches!(self, Self::Buyer | Self::Held | Self::SellerPayable | Self::Refund)
    }
}

kernel::words! {
    /// Why money moved.
    pub enum EntryKind {
        /// A bank transfer came in.
        Deposit = "deposit",
        /// A buyer paid an order.
        Payment = "payment",
        /// A paid order line was delivered.
        Sale = "sale",
        /// Money went back to a buyer.
        Refund = "refund",
        /// A statement was made.
        Settlement = "settlement",
        /// A statement was paid to the seller's bank account.
        Payout = "payout",
    }
}

/// Every way money may take. A posting outside this table is a fault of the program, or a row that somebody else wrote.
const WAYS: &[(EntryKind, BookKind, BookKind)] = &[
    (EntryKind::Deposit, BookKind::Bank, BookKind::Buyer),
    (EntryKind::Payment, BookKind::Buyer, BookKind::Held),
    (EntryKind::Sale, BookKind::Held, BookKind::SellerPending),
    (EntryKind::Refund, BookKind::Held, BookKind::Refund),
    (EntryKind::Refund, BookKind::SellerPending, BookKind::Refund),
    (EntryKind::Refund, BookKind::Refund, BookKind::Buyer),
    (EntryKind::Settlement, BookKind::SellerPending, BookKind::PlatformFee),
    (EntryKind::Settlement, BookKind::SellerPending, BookKind::Tax),
    (EntryKind::Settlement, BookKind::SellerPending, BookKind::SellerPayable),
    // Refunded sales give their fee back.
    (EntryKind::Settlement, BookKind::PlatformFee, BookKind::SellerPending),
    (EntryKind::Settlement, BookKind::Tax, BookKind::SellerPending),
    (EntryKind::Payout, BookKind::SellerPayable, BookKind::Bank),
];

/// Whether an entry of this kind may move money from a book of the kind `source` to one of the kind `destination`.
pub(super) fn allowed(kind: EntryKind, source: BookKind, destination: BookKind) -> bool {
    WAYS.contains(&(kind, source, destination))
}

/// A book: where money is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Book {
    /// The bank.
    Bank,
    /// A buyer's balance.
    Buyer(AccountId),
    /// Money held for the order of this number.
    Held(String),
    /// A seller's sales before their statement.
    SellerPending(AccountId),
    /// What is payable to a seller.
    SellerPayable(AccountId),
    /// The platform's fee.
    PlatformFee,
    /// The tax inside the fee.
    Tax,
    /// The way back of the order of this number.
    Refund(String),
}

impl Book {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> BookKind {
        match self {
            Self::Bank => BookKind::Bank,
            Self::Buyer(_) => BookKind::Buyer,
            Self::Held(_) => BookKind::Held,
            Self::SellerPending(_) => BookKind::SellerPending,
            Self::SellerPayable(_) => BookKind::SellerPayable,
            Self::PlatformFee => BookKind::PlatformFee,
            Self::Tax => BookKind::Tax,
            Self::Refund(_) => BookKind::Refund,
        }
    }
}

/// `bank`, `buyer:acc_…`, `held:CS…`: the text under which a book is stored.
impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Bank | Self::PlatformFee | Self::Tax => write!(f, "{kind}"),
            Self::Buyer(account) | Self::SellerPending(account) | Self::SellerPayable(account) => write!(f, "{kind}:{account}"),
            Self::Held(number) | Self::Refund(number) => write!(f, "{kind}:{number}"),
        }
    }
}

impl FromStr for Book {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a book of the ledger");
        let (kind, of) = text.split_once(':').map_or((text, None), |(kind, of)| (kind, Some(of)));
        let account = || of.and_then(|of| of.parse::<AccountId>().ok()).ok_or_else(wrong);
        let number = || of.filter(|of| !of.is_empty()).map(str::to_owned).ok_or_else(wrong);
        let shared = |book: Self| if of.is_none() { Ok(book) } else { Err(wrong()) };
        match kind.parse::<BookKind>().map_err(|_| wrong())? {
            BookKind::Bank => shared(Self::Bank),
            BookKind::PlatformFee => shared(Self::PlatformFee),
            BookKind::Tax => shared(Self::Tax),
            BookKind::Buyer => account().map(Self::Buyer),
            BookKind::SellerPending => account().map(Self::SellerPending),
            BookKind::SellerPayable => account().map(Self::SellerPayable),
            BookKind::Held => number().map(Self::Held),
            BookKind::Refund => number().map(Self::Refund),
        }
    }
}

impl Serialize for Book {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl ToScalar for Book {
    fn to_scalar(&self) -> Scalar {
        Scalar::Text(self.to_string())
    }
}

impl FromScalar for Book {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        match &scalar {
            Scalar::Text(text) => text.parse().map_err(|_| ScalarError::new("a book of the ledger", &scalar)),
            _ => Err(ScalarError::new("a book of the ledger", &scalar)),
        }
    }
}

impl utoipa::PartialSchema for Book {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^(bank|platform-fee|tax|(buyer|seller-pending|seller-payable|held|refund):.+)$"))
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Book {}

/// A movement of money from one book to another. It cannot be unbalanced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Posting {
    /// Where the money comes from.
    pub source: Book,
    /// Where it goes.
    pub destination: Book,
    /// How much, minor units; zero is left out, negative is a fault.
    pub amount_minor: i64,
}

impl Posting {
    /// `amount_minor` from `source` to `destination`.
    #[must_use]
    pub const fn new(source: Book, destination: Book, amount_minor: i64) -> Self {
        Self { source, destination, amount_minor }
    }
}
