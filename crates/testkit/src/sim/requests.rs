//! What people ask of the market, as the doors pass it on: one transaction, done once under a key.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, DeliveryId, Locale, Money, ProductId, SkuId, StatementId, SubscriptionId, UserId};
use market::accounts::{self, AccountKind, NewAccount, NewUser};
use market::catalog::{self, By, ProductContent};
use market::idempotency::{self, IdempotencyKey};
use market::ledger::{self, NewDeposit};
use market::orders::{self, PurchaseItem, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{self, Renewal};
use market::{Market, calls, refunds, settlement};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::people;

/// Somebody who acts for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) account: AccountId,
    pub(super) user: UserId,
}

/// A request, with everything that it concerns.
#[derive(Clone, Debug)]
pub(super) enum Request {
    SignUp { name: String },
    Deposit { account: AccountId, minor: i64, reference: String },
    Place { buyer: AccountId, items: Vec<PurchaseItem>, expected: Option<i64> },
    PlaceRenewal { buyer: AccountId, sub: SubscriptionId, input: RenewalInput },
    PlaceChange { buyer: AccountId, sub: SubscriptionId, sku: SkuId, quantity: i64 },
    Pay { buyer: AccountId, number: String },
    Cancel { buyer: AccountId, number: String },
    SetRenewing { buyer: AccountId, sub: SubscriptionId, version: i64, renewal: Renewal },
    Return { buyer: AccountId, sub: SubscriptionId },
    ReturnRenewal { buyer: AccountId, number: String },
    Suspend { sub: SubscriptionId },
    Resume { sub: SubscriptionId },
    Hide { seller: AccountId, product: ProductId },
    Show { seller: AccountId, product: ProductId },
    RetireSku { seller: AccountId, sku: SkuId },
    RetireProduct { seller: AccountId, product: ProductId },
    Revise { seller: AccountId, product: ProductId, content: Box<ProductContent> },
    Restart { seller: AccountId, call: DeliveryId },
    PayOut { statement: StatementId, reference: String },
}

impl Request {
    /// Does it, once under `key`; `other` is what makes it another request with the same key.
    pub(super) async fn perform(&self, tx: &mut Tx, ctx: &Ctx, market: &Market, key: &str, other: &str) -> Result<Value> {
        let fingerprint = Sha256::digest(format!("{self:?}{other}")).into();
        let key = IdempotencyKey::new("simulation", key, fingerprint)?;
        idempotency::once(tx, ctx, &key, async |tx: &mut Tx| self.act(tx, ctx, market).await).await
    }

    async fn act(&self, tx: &mut Tx, ctx: &Ctx, market: &Market) -> Result<Value> {
        let edition = market.edition();
        match self {
            Self::SignUp { name } => {
                let account = NewAccount { name: name.clone(), kind: AccountKind::Enterprise, title: format!("{name} Ltd") };
                let (account, user) = accounts::create_account(tx, ctx, account, new_user(name)).await?;
                Ok(json!({ "account": account.id, "user": user.id }))
            }
            Self::Deposit { account, minor, reference } => {
                let amount = Money::new(*minor, edition.currency);
                let new = NewDeposit { account_id: *account, amount, bank_reference: reference.clone(), note: String::new() };
                Ok(json!({ "deposit": ledger::record_deposit(tx, ctx, edition, &new).await?.id }))
            }
            Self::Place { buyer, items, expected } => Ok(order(&orders::place(tx, ctx, edition, *buyer, items, *expected).await?)),
            Self::PlaceRenewal { buyer, sub, input } => {
                Ok(order(&orders::place_renewal(tx, ctx, edition, *buyer, *sub, input, None).await?))
            }
            Self::PlaceChange { buyer, sub, sku, quantity } => {
                Ok(order(&orders::place_change(tx, ctx, edition, *buyer, *sub, *sku, *quantity, None).await?))
            }
            Self::Pay { buyer, number } => Ok(order(&orders::pay(tx, ctx, edition, *buyer, number).await?)),
            Self::Cancel { buyer, number } => Ok(order(&orders::cancel(tx, ctx, *buyer, number).await?)),
            Self::SetRenewing { buyer, sub, version, renewal } => {
                let sub = subscriptions::set_renewal(tx, ctx, edition, *buyer, *sub, Some(*version), *renewal).await?;
                Ok(json!({ "version": sub.version }))
            }
            Self::Return { buyer, sub } => Ok(order(&refunds::refund_subscription(tx, ctx, edition, *buyer, *sub).await?)),
            Self::ReturnRenewal { buyer, number } => Ok(order(&refunds::refund_renewal(tx, ctx, edition, *buyer, number).await?)),
            Self::Suspend { sub } => {
                let sub = subscriptions::suspend(tx, ctx, edition, *sub, "against the rules").await?;
                Ok(json!({ "state": sub.state }))
            }
            Self::Resume { sub } => Ok(json!({ "state": subscriptions::resume(tx, ctx, edition, *sub).await?.state })),
            Self::Hide { seller, product } => Ok(json!(catalog::hide(tx, ctx, By::Seller(*seller), *product).await?)),
            Self::Show { seller, product } => Ok(json!(catalog::show(tx, ctx, By::Seller(*seller), *product).await?)),
            Self::RetireSku { seller, sku } => Ok(json!(catalog::retire_sku(tx, ctx, By::Seller(*seller), *sku).await?)),
            Self::RetireProduct { seller, product } => Ok(json!(catalog::retire_product(tx, ctx, By::Seller(*seller), *product).await?)),
            Self::Revise { seller, product, content } => {
                catalog::update_draft(tx, ctx, *seller, *product, (**content).clone(), None).await?;
                publish(tx, ctx, market, *seller, *product).await?;
                Ok(json!({}))
            }
            Self::Restart { seller, call } => {
                let call = calls::restart(tx, ctx, Some(*seller), *call).await?;
                Ok(json!({ "round": call.round }))
            }
            Self::PayOut { statement, reference } => {
                let paid = settlement::record_payout(tx, ctx, *statement, reference).await?;
                Ok(json!({ "payable": paid.payable_minor }))
            }
        }
    }
}

/// What the buyer is told of an order.
fn order(order: &orders::Order) -> Value {
    json!({ "number": order.number, "total": order.total_minor, "state": order.state })
}

/// Submits a draft and approves it.
pub(super) async fn publish(tx: &mut Tx, ctx: &Ctx, market: &Market, seller: AccountId, product: ProductId) -> Result<()> {
    catalog::submit(tx, ctx, seller, product).await?;
    let queue = catalog::review_queue(tx, ctx, &PageRequest::default()).await?;
    let listing = queue.items.iter().find(|item| item.product_id == product).map(|item| item.id);
    let listing = listing.ok_or_else(|| db::Error::broken("a submission that is not in the queue"))?;
    catalog::approve(tx, ctx, market.edition(), listing).await.map(drop)
}

pub(super) fn new_user(name: &str) -> NewUser {
    NewUser {
        login: name.to_owned(),
        name: name.to_owned(),
        email: format!("{name}@example.com"),
        phone: String::new(),
        locale: Locale::ZhCn,
        password: people::password(),
    }
}

/// What the answer to a request was: what it gave, or why it was refused.
pub(super) type Reply = std::result::Result<Value, Code>;
