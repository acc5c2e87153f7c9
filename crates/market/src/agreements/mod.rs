//! What buyers have agreed to when they ordered: which text, in which version, when, with which order (spec: business §1.1).
//!
//! Invariant: rows are only added.

mod store;

use db::{Result, Tx};
use kernel::{AccountId, AgreementId, Code, Ctx, Refusal, UserId};
use serde::Serialize;

use crate::page::{Page, PageRequest};

/// A text that is agreed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What links and forms call it.
    pub name: &'static str,
    /// Which version of it is in force.
    pub version: &'static str,
}

/// What a buyer agrees to with every purchase: the user agreement of the marketplace, and that of the product's service.
pub const FOR_A_PURCHASE: [Agreement; 2] = [Agreement { name: "user", version: "1.0" }, Agreement { name: "service", version: "1.0" }];

/// Something that somebody has agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Signed {
    /// Its id; ids sort by time.
    pub id: AgreementId,
    /// For which account.
    pub account_id: AccountId,
    /// The person who did.
    pub user_id: Option<UserId>,
    /// Which text.
    pub agreement: String,
    /// Which version of it.
    pub version: String,
    /// With which order.
    pub order_number: String,
    /// When, market ms UTC.
    pub agreed_at: i64,
}

/// Refuses unless every agreement of a purchase, in its version of today, is among `ticked` (`name@version`).
///
/// # Errors
/// [`Code::AgreementNeeded`] with the first that is missing.
pub fn require(ticked: &[String]) -> Result<(), Refusal> {
    let missing = FOR_A_PURCHASE.iter().find(|wanted| !ticked.iter().any(|one| *one == wanted.ticket()));
    missing.map_or(Ok(()), |wanted| Err(Refusal::new(Code::AgreementNeeded).with("agreement", wanted.name)))
}

impl Agreement {
    /// What a form sends when it is ticked: which text, in which version it was read.
    #[must_use]
    pub fn ticket(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Notes that whoever acts has agreed to everything that a purchase asks for, with this order.
///
/// # Errors
/// Those of the database.
pub async fn record(tx: &mut Tx, ctx: &Ctx, account: AccountId, user: Option<UserId>, order_number: &str) -> Result<()> {
    for Agreement { name, version } in FOR_A_PURCHASE {
        let signed = Signed {
            id: AgreementId::new(ctx.now, &ctx.entropy),
            account_id: account,
            user_id: user,
            agreement: name.to_owned(),
            version: version.to_owned(),
            order_number: order_number.to_owned(),
            agreed_at: ctx.now,
        };
        store::insert(tx, &signed).await?;
    }
    Ok(())
}

/// What an account has agreed to, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_of(tx: &mut Tx, account: AccountId, page: &PageRequest) -> Result<Page<Signed>> {
    Ok(page.cut(store::list_of(tx, account, page).await?, |signed| signed.id.to_string()))
}
