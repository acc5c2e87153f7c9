//! What the API and the pages do alike: a door and a page take it from the request in their own way, and hand it on here. What buyers do is
//! done once under a key, and gives the order as it is kept under the key.

use db::Tx;
use kernel::{AccountId, Ctx, SkuId, SubscriptionId, UserId};
use market::accounts::{self, Principal};
use market::carts::{self, Owner, Wanted};
use market::idempotency::IdempotencyKey;
use market::orders::{self, PurchaseItem, RenewalInput};
use market::refunds;
use serde_json::Value;

use crate::AppState;
use crate::extract::once;
use crate::problem::ApiResult;

/// Whose act it is, and under which key.
pub(crate) struct Act {
    pub(crate) buyer: AccountId,
    pub(crate) ctx: Ctx,
    pub(crate) key: IdempotencyKey,
}

/// The number of an order that an act gave.
pub(crate) fn number(order: &Value) -> &str {
    order["number"].as_str().unwrap_or_default()
}

/// Places a purchase; beside others at a snapshot (decision 0018).
pub(crate) async fn place(app: &AppState, act: Act, items: Vec<PurchaseItem>, expected_total_minor: Option<i64>) -> ApiResult<Value> {
    let (Act { buyer, ctx, key }, market) = (act, app.market().clone());
    let place = async move |tx: &mut Tx| {
        once(tx, &ctx, &key, async |tx: &mut Tx| orders::place(tx, &ctx, market.edition(), buyer, &items, expected_total_minor).await).await
    };
    app.write_snapshot(place).await
}

/// Places what was in a cart, or past it: one order for each seller; as [`place`] beside others at a snapshot (decision 0018), for it writes what
/// placing writes, and the lines of the cart that it takes are rows that it deletes.
pub(crate) async fn checkout(app: &AppState, act: Act, owner: Owner, wanted: Vec<Wanted>, ticked: Vec<String>) -> ApiResult<Value> {
    let (Act { ctx, key, .. }, market) = (act, app.market().clone());
    let checkout = async move |tx: &mut Tx| {
        once(tx, &ctx, &key, async |tx: &mut Tx| {
            let placed = carts::checkout(tx, &ctx, market.edition(), owner, &wanted, &ticked).await?;
            Ok(placed.into_iter().map(|order| order.number).collect::<Vec<_>>())
        })
        .await
    };
    app.write_snapshot(checkout).await
}

/// Pays an order from the balance; a purchase beside others at a snapshot (decision 0018).
pub(crate) async fn pay(app: &AppState, act: Act, number: String) -> ApiResult<Value> {
    let (Act { buyer, ctx, key }, market) = (act, app.market().clone());
    let pay = async move |tx: &mut Tx| {
        once(tx, &ctx, &key, async |tx: &mut Tx| orders::pay(tx, &ctx, market.edition(), buyer, &number).await).await
    };
    app.write_snapshot(pay).await
}

/// Cancels an order that is not paid, or a large refund that is not decided.
pub(crate) async fn cancel(app: &AppState, act: Act, number: String) -> ApiResult<Value> {
    let Act { buyer, ctx, key } = act;
    let cancel = async move |tx: &mut Tx| once(tx, &ctx, &key, async |tx: &mut Tx| orders::cancel(tx, &ctx, buyer, &number).await).await;
    app.write(cancel).await
}

/// Places a renewal. One that changes something asks the seller first (`delivery::check_renewal`): the caller's part.
pub(crate) async fn renew(
    app: &AppState,
    act: Act,
    id: SubscriptionId,
    input: RenewalInput,
    expected_total_minor: Option<i64>,
) -> ApiResult<Value> {
    let (Act { buyer, ctx, key }, market) = (act, app.market().clone());
    let renew = async move |tx: &mut Tx| {
        let place = async |tx: &mut Tx| orders::place_renewal(tx, &ctx, market.edition(), buyer, id, &input, expected_total_minor).await;
        once(tx, &ctx, &key, place).await
    };
    app.write(renew).await
}

/// Places a change to another SKU and quantity.
pub(crate) async fn change(
    app: &AppState,
    act: Act,
    id: SubscriptionId,
    to: (SkuId, i64),
    expected_total_minor: Option<i64>,
) -> ApiResult<Value> {
    let (Act { buyer, ctx, key }, market, (sku, quantity)) = (act, app.market().clone(), to);
    let change = async move |tx: &mut Tx| {
        let place =
            async |tx: &mut Tx| orders::place_change(tx, &ctx, market.edition(), buyer, id, sku, quantity, expected_total_minor).await;
        once(tx, &ctx, &key, place).await
    };
    app.write(change).await
}

/// Returns a subscription without a reason.
pub(crate) async fn give_back(app: &AppState, act: Act, id: SubscriptionId) -> ApiResult<Value> {
    let (Act { buyer, ctx, key }, market) = (act, app.market().clone());
    let refund = async move |tx: &mut Tx| {
        once(tx, &ctx, &key, async |tx: &mut Tx| refunds::refund_subscription(tx, &ctx, market.edition(), buyer, id).await).await
    };
    app.write(refund).await
}

/// Does `act` to a person of the manager's account, if the manager may take all their roles: who manages one side must not come by the
/// powers of another through the people who have them.
pub(crate) async fn manage<T: Send + 'static>(
    app: &AppState,
    principal: Principal,
    ctx: Ctx,
    id: UserId,
    act: impl AsyncFn(&mut Tx, &Ctx, AccountId) -> db::Result<T> + Send + 'static,
) -> ApiResult<T> {
    let change = async move |tx: &mut Tx| {
        let before = accounts::get_user(tx, principal.account, id).await?;
        principal.require_grant(&before.roles, &[])?;
        act(tx, &ctx, principal.account).await
    };
    app.write(change).await
}
