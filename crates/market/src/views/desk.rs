//! What somebody finds on their desk: what waits for them, and how much there is of everything.

use db::{Result, Tx, sql};
use kernel::{AccountId, SubscriptionId};

use crate::catalog::Names;
use crate::subscriptions::SubscriptionState;

/// Things of one kind that are shown on a desk.
const SHOWN_MAX: i64 = 5;

/// An order that waits for its payment.
#[derive(Clone, Debug)]
pub struct UnpaidOrder {
    /// Its number.
    pub number: String,
    /// What it costs, minor units of the market's currency.
    pub total_minor: i64,
    /// Until when it may be paid, market ms UTC.
    pub pay_until: i64,
}

/// A subscription that ends soon, or has ended and will be released.
#[derive(Clone, Debug)]
pub struct EndingSubscription {
    /// Its id.
    pub id: SubscriptionId,
    /// How it stands: in use or frozen.
    pub state: SubscriptionState,
    /// What it is called.
    pub names: Names,
    /// Its end, market ms UTC.
    pub ends_at: i64,
    /// When it will be released, of one that has ended.
    pub release_at: Option<i64>,
}

/// A buyer's desk.
#[derive(Clone, Debug)]
pub struct BuyerDesk {
    /// The next orders to pay, soonest end first.
    pub unpaid: Vec<UnpaidOrder>,
    /// What ends before the given time and does not renew itself, soonest first.
    pub ending: Vec<EndingSubscription>,
    /// Subscriptions that can be used now.
    pub in_use: i64,
    /// Subscriptions that are being opened.
    pub opening: i64,
    /// Subscriptions that are frozen.
    pub frozen: i64,
}

/// What waits for a buyer at `now`, with what ends before `soon`. Reads the account's own orders and subscriptions only.
///
/// # Errors
/// Those of the database.
pub async fn buyer(tx: &mut Tx, account: AccountId, now: i64, soon: i64) -> Result<BuyerDesk> {
    let unpaid = sql!(
        "SELECT number, total_minor, pay_until FROM orders
         WHERE state = 'pending_payment' AND pay_until > $2 AND buyer_id = $1 ORDER BY pay_until LIMIT $3"
    );
    let unpaid: Vec<(String, i64, i64)> = tx.all(unpaid, &[&account, &now, &SHOWN_MAX]).await?;
    let ending = sql!(
        "SELECT id, state, names, ends_at, release_at FROM subscriptions
         WHERE ends_at IS NOT NULL AND ends_at < $2 AND buyer_id = $1 AND (state = 'frozen' OR (state = 'in_use' AND renewal_mode <> 'auto'))
         ORDER BY ends_at LIMIT $3"
    );
    let rows: Vec<(SubscriptionId, SubscriptionState, String, i64, Option<i64>)> = tx.all(ending, &[&account, &soon, &SHOWN_MAX]).await?;
    let ending = rows
        .into_iter()
        .map(|(id, state, names, ends_at, release_at)| {
            Ok(EndingSubscription { id, state, names: serde_json::from_str(&names)?, ends_at, release_at })
        })
        .collect::<Result<_>>()?;
    let counts = sql!("SELECT state, COUNT(*) FROM subscriptions WHERE buyer_id = $1 GROUP BY state");
    let counts: Vec<(SubscriptionState, i64)> = tx.all(counts, &[&account]).await?;
    let of = |wanted: SubscriptionState| counts.iter().find(|(state, _)| *state == wanted).map_or(0, |(_, count)| *count);
    Ok(BuyerDesk {
        unpaid: unpaid.into_iter().map(|(number, total_minor, pay_until)| UnpaidOrder { number, total_minor, pay_until }).collect(),
        ending,
        in_use: of(SubscriptionState::InUse),
        opening: of(SubscriptionState::Opening),
        frozen: of(SubscriptionState::Frozen),
    })
}
