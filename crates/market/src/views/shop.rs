//! What the storefront wants to know of several domains at once.

use db::{Result, Tx, sql};
use kernel::{Ctx, ProductId};

use crate::edition::Edition;

/// How many of the newest order lines are looked at: what most people buy shows in them, and the look stays cheap. `[ours]`
const LINES_LOOKED_AT: i64 = 20_000;
/// For how long back (spec: business §10.2, popular by 30-day orders).
const DAYS: i64 = 30;

/// The products that were bought most often in the last thirty days, the most often bought first; whether they are still sold is not looked at.
///
/// # Errors
/// Those of the database.
pub async fn popular(tx: &mut Tx, ctx: &Ctx, edition: &Edition, limit: i64) -> Result<Vec<ProductId>> {
    // Numbers of orders sort by time: those of a day begin with it.
    let since = format!("CS{}", edition.zone.compact_minute(edition.zone.add_days(ctx.now, -DAYS)));
    let select = sql!(
        "SELECT product_id FROM
           (SELECT product_id FROM order_lines WHERE number >= $1 AND state IN ('processing', 'done') ORDER BY number DESC LIMIT $2) AS newest
         GROUP BY product_id ORDER BY COUNT(*) DESC, product_id LIMIT $3"
    );
    Ok(tx.all::<(ProductId,)>(select, &[&since, &LINES_LOOKED_AT, &limit]).await?.into_iter().map(|(id,)| id).collect())
}
