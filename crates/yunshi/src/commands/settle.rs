//! `yunshi settle`: the statements of a month, now.

use kernel::{Actor, Currency, Locale, Money, Month};
use market::page::{PAGE_MAX, PageRequest};
use market::settlement::{self, Statement};

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
    settlement::run_month(&market, &ctx, month).await?;
    let (mut count, mut page) = (0, PageRequest { limit: PAGE_MAX, ..PageRequest::default() });
    loop {
        let wanted = page.clone();
        let found = market.db().read(async move |tx| settlement::statements_of_month(tx, month, &wanted).await).await?;
        count += found.items.len();
        found.items.iter().for_each(tell);
        let Some(next) = found.next else { break };
        page.after = next;
    }
    println!("{month}: {}", counted(count, "statement"));
    Ok(())
}

fn tell(it: &Statement) {
    let amount = |minor: i64, currency: Currency| Money::new(minor, currency).decimal();
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
