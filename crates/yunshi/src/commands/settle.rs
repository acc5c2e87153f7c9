//! `yunshi settle`: the statements of a month, now.

use kernel::{Actor, Currency, Locale, Money, Month};
use market::settlement;

use super::counted;
use crate::{
    config::Config,
    failure::Failure,
    start::{self, Schema},
};

pub(super) async fn run(config: &Config, month: Option<Month>) -> Result<(), Failure> {
    let market = start::market(config, Schema::Check).await?;
    let ctx = market.ctx(Actor::Console, Locale::En).await?;
    let month = month.unwrap_or_else(|| Month::of(ctx.now, &market.edition().zone).previous());
    let statements = settlement::run_month(&market, &ctx, month).await?;
    println!("{month}: {}", counted(statements.len(), "statement"));
    let amount = |minor: i64, currency: Currency| Money::new(minor, currency).decimal();
    for it in &statements {
        println!(
            "  {}  {}  {:<8}  sales {}, refunds {}, fee {}, carried in {}, paid {}, carried out {} {}",
            it.id,
            it.seller_id,
            it.state.to_string(),
            amount(it.sales_minor, it.currency),
            amount(it.refunds_minor, it.currency),
            amount(it.fee_minor, it.currency),
            amount(it.carried_in_minor, it.currency),
            amount(it.payable_minor, it.currency),
            amount(it.carried_out_minor, it.currency),
            it.currency,
        );
    }
    Ok(())
}
