//! What the account has agreed to, with which order and when.

use askama::Template;
use axum::extract::State;
use market::agreements::{self, Signed};

use crate::AppState;
use crate::auth::buyer;
use crate::extract::Paging;
use crate::pages::Page;
use crate::pages::parts::{Stamp, more};
use crate::pages::shell::{Member, Shell};
use crate::problem::ApiResult;

struct Row {
    href: String,
    name: String,
    version: String,
    order: String,
    at: Stamp,
}

#[derive(Template)]
#[template(path = "buyer/agreements.html")]
pub(crate) struct Agreements {
    shell: Shell,
    rows: Vec<Row>,
    more: Option<String>,
}

pub(crate) async fn agreements(
    State(app): State<AppState>,
    member: Member<buyer::View>,
    Paging(page): Paging,
) -> ApiResult<Page<Agreements>> {
    let account = member.may.account();
    let found = app.read(async move |tx| agreements::list_of(tx, account, &page).await).await?;
    let (words, now) = (member.shell.t.clone(), member.may.ctx.now);
    let row = |signed: &Signed| Row {
        href: format!("/agreements/{}", signed.agreement),
        name: words.s(&format!("page-agreement-{}", signed.agreement)),
        version: signed.version.clone(),
        order: signed.order_number.clone(),
        at: words.stamp(signed.agreed_at, now),
    };
    let rows = found.items.iter().map(row).collect();
    Ok(Page(Agreements { rows, more: more("/buyer/agreements", found.next.as_deref()), shell: member.shell }))
}
