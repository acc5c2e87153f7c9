//! What the buyer uses.

use askama::Template;
use axum::extract::State;
use market::subscriptions::{self, Subscription, SubscriptionState, Whose};
use serde::Deserialize;

use crate::AppState;
use crate::auth::buyer;
use crate::extract::{Paging, Query};
use crate::pages::Page;
use crate::pages::parts::full_name;
use crate::pages::parts::{Chip, Choice, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::states::Shown;
use crate::problem::ApiResult;

pub(super) struct ServiceRow {
    pub(super) href: String,
    pub(super) what: String,
    pub(super) variant: String,
    pub(super) chip: Chip,
    pub(super) ends: String,
    /// How much of the time is left, in tenths.
    pub(super) left: Option<i64>,
}

pub(super) fn service_row(sub: &Subscription, now: i64, words: &Words) -> ServiceRow {
    let (what, variant) = full_name(&sub.item.names, words);
    let tenths = |anchor: i64, end: i64| ((end - now).clamp(0, (end - anchor).max(1)) * 10).div_euclid((end - anchor).max(1));
    ServiceRow {
        href: format!("/buyer/services/{}", sub.id),
        what,
        variant,
        chip: sub.state.chip(words),
        ends: sub.ends_at.map_or_else(|| words.s("page-service-no-end"), |end| words.time(end)),
        left: sub.anchor_at.zip(sub.ends_at).map(|(anchor, end)| tenths(anchor, end)),
    }
}

#[derive(Template)]
#[template(path = "buyer/services.html")]
pub(crate) struct Services {
    shell: Shell,
    states: Vec<Choice>,
    is_filtered: bool,
    rows: Vec<ServiceRow>,
    more: Option<String>,
}

/// Which services are wanted.
#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
}

pub(crate) async fn services(
    State(app): State<AppState>,
    member: Member<buyer::View>,
    Query(filter): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Services>> {
    let whose = Whose::Buyer(member.may.account());
    let wanted = SubscriptionState::named(&filter.state);
    let found = app.read(async move |tx| subscriptions::list(tx, whose, wanted, &page).await).await?;
    let (words, now) = (&member.shell.t, member.may.ctx.now);
    let states = SubscriptionState::choices(wanted, words);
    let rows = found.items.iter().map(|sub| service_row(sub, now, words)).collect();
    let more = more_of("/buyer/services", &[("state", wanted.map_or("", SubscriptionState::word))], found.next.as_deref());
    Ok(Page(Services { rows, states, more, is_filtered: wanted.is_some(), shell: member.shell }))
}
