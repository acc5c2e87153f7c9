//! Accounts: made with their owner, found by id or name, opened to selling.

use db::{OnConstraint, Result, Tx};
use kernel::{AccountId, Code, Ctx, Refusal};
use serde::Serialize;
use serde_json::json;

use super::{Audience, NewUser, Role, User, rules, store, user};
use crate::audit;
use crate::page::{Page, PageRequest};

kernel::words! {
    /// Who stands behind an account (spec: business §1.1).
    pub enum AccountKind {
        /// A company or another organisation.
        Enterprise = "enterprise",
        /// A person.
        Individual = "individual",
    }
}

/// A buyer's, seller's or the operator's account.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Account {
    /// Its id, shown beside the name.
    pub id: AccountId,
    /// Its unique name.
    pub name: String,
    /// Who stands behind it.
    pub kind: AccountKind,
    /// The name of that company or person.
    pub title: String,
    /// When it was made, market ms UTC.
    pub created_at: i64,
    /// Since when it is an approved seller, market ms UTC.
    pub seller_at: Option<i64>,
    /// Since when it runs the marketplace, market ms UTC.
    pub operator_at: Option<i64>,
    /// Counts its changes.
    pub version: i64,
}

impl Account {
    /// The sides of the market on which it acts.
    #[must_use]
    pub fn audiences(&self) -> Vec<Audience> {
        audiences(self.seller_at, self.operator_at)
    }

    /// The role that owns it: an account always has an enabled user with this role.
    #[must_use]
    pub const fn owner_role(&self) -> Role {
        if self.operator_at.is_some() { Role::OperatorAdmin } else { Role::BuyerOwner }
    }
}

pub(super) fn audiences(seller_at: Option<i64>, operator_at: Option<i64>) -> Vec<Audience> {
    let mut sides = vec![Audience::Buyer];
    sides.extend(seller_at.map(|_| Audience::Seller));
    sides.extend(operator_at.map(|_| Audience::Operator));
    sides
}

/// What an account is made of.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// 2 to 60 characters; unique ignoring case and width.
    pub name: String,
    /// Who stands behind it.
    pub kind: AccountKind,
    /// The name of that company or person, 1 to 120 characters.
    pub title: String,
}

/// Makes an account and its first user, who owns it.
///
/// # Errors
/// [`Code::AccountNameTaken`], [`Code::LoginTaken`], [`Code::FieldInvalid`] for `name`, `title`, `login`, `user_name`, `email`, `phone`.
pub async fn create_account(tx: &mut Tx, ctx: &Ctx, new: NewAccount, owner: NewUser) -> Result<(Account, User)> {
    create(tx, ctx, new, owner, None).await
}

/// Makes the account that runs the marketplace, with its first administrator.
///
/// # Errors
/// [`Code::OperatorExists`] when there is one; otherwise as [`create_account`].
pub async fn create_operator(tx: &mut Tx, ctx: &Ctx, new: NewAccount, admin: NewUser) -> Result<(Account, User)> {
    if store::operator_exists(tx).await? {
        return Err(Refusal::new(Code::OperatorExists).into());
    }
    create(tx, ctx, new, admin, Some(ctx.now)).await
}

async fn create(tx: &mut Tx, ctx: &Ctx, new: NewAccount, owner: NewUser, operator_at: Option<i64>) -> Result<(Account, User)> {
    let (name, key) = rules::account_name(&new.name)?;
    let account = Account {
        id: AccountId::new(ctx.now, &ctx.entropy),
        name,
        kind: new.kind,
        title: rules::text("title", &new.title, 1, 120)?,
        created_at: ctx.now,
        seller_at: None,
        operator_at,
        version: 1,
    };
    store::insert_account(tx, &account, &key).await.on_constraint("account_name_unique", Code::AccountNameTaken)?;
    let particulars = json!({ "name": account.name, "kind": account.kind, "operator": operator_at.is_some() });
    audit::record(tx, ctx, "accounts.created", &account.id, &particulars).await?;
    let owner = user::insert(tx, ctx, account.id, owner, &[account.owner_role()]).await?;
    Ok((account, owner))
}

/// An account by its id.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn get(tx: &mut Tx, id: AccountId) -> Result<Account> {
    store::account(tx, id).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// An account by its name, however it is typed.
///
/// # Errors
/// Those of the database.
pub async fn find_by_name(tx: &mut Tx, name: &str) -> Result<Option<Account>> {
    store::account_by_key(tx, &rules::fold(name)).await
}

/// All accounts, oldest first; or those whose names begin with `prefix` (however it is typed), by name. For the operator.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, prefix: Option<&str>, page: &PageRequest) -> Result<Page<Account>> {
    let rows = match prefix.map(rules::fold).filter(|prefix| !prefix.is_empty()) {
        Some(prefix) => store::accounts_by_key(tx, &prefix, page).await?,
        None => store::accounts(tx, page).await?,
    };
    Ok(page.cut(rows, |account: &Account| account.id.to_string()))
}

/// Opens the seller's side to an account: whoever owns it also gets [`Role::SellerOwner`]. For the sellers' domain.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn admit_seller(tx: &mut Tx, ctx: &Ctx, id: AccountId) -> Result<()> {
    if store::set_seller_at(tx, id, Some(ctx.now)).await? == 0 {
        return Err(Refusal::new(Code::NotFound).into());
    }
    for owner in store::users_with_role(tx, id, Role::BuyerOwner).await? {
        store::add_role(tx, owner, Role::SellerOwner).await?;
        audit::record(tx, ctx, "accounts.role_added", &owner, &json!({ "role": Role::SellerOwner })).await?;
    }
    audit::record(tx, ctx, "accounts.seller_admitted", &id, &json!({})).await
}

/// Closes the seller's side of an account. Seller roles stay with their people and allow nothing. For the sellers' domain.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn dismiss_seller(tx: &mut Tx, ctx: &Ctx, id: AccountId) -> Result<()> {
    if store::set_seller_at(tx, id, None).await? == 0 {
        return Err(Refusal::new(Code::NotFound).into());
    }
    audit::record(tx, ctx, "accounts.seller_dismissed", &id, &json!({})).await
}
