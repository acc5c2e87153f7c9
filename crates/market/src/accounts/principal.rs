//! Who is asking: from a session's or an API token's text to a person and what they may do. On the way of every request.

use std::collections::BTreeSet;

use db::{Result, Tx};
use kernel::{AccountId, Actor, Code, Locale, Refusal, SessionId, TokenId, UserId};

use super::secret::{TokenKind, read_token};
use super::store::{SessionHolder, TokenHolder};
use super::{Audience, Permission, Role, TOUCH_MS, account, role, session, store, user};
use crate::Market;

/// Somebody who is signed in, and what they may do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user: UserId,
    /// The account they act for.
    pub account: AccountId,
    /// What they may do: by their roles, on the sides the account is on, within the token's scopes.
    pub permissions: BTreeSet<Permission>,
    /// The sides of the market that the account is on.
    pub sides: Vec<Audience>,
    /// What their roles allow but the token's scopes do not.
    pub withheld: BTreeSet<Permission>,
    /// The language they read.
    pub locale: Locale,
    /// The session they came with.
    pub session: Option<SessionId>,
    /// The API token they came with.
    pub token: Option<TokenId>,
}

impl Principal {
    /// Refuses unless they may do this.
    ///
    /// # Errors
    /// [`Code::ScopeMissing`] when only the token's scopes stand against it; [`Code::NotSeller`] for something of a seller's when the account
    /// is none, for no role would help; [`Code::RoleMissing`] otherwise.
    pub fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.permissions.contains(&permission) {
            return Ok(());
        }
        if permission.audience() == Audience::Seller && !self.sides.contains(&Audience::Seller) {
            return Err(Refusal::new(Code::NotSeller));
        }
        let code = if self.withheld.contains(&permission) { Code::ScopeMissing } else { Code::RoleMissing };
        Err(Refusal::new(code).with("permission", permission))
    }

    /// Refuses who came with an API token: what makes, ends and names sign-ins is not for programs, or a token that leaked would never end.
    ///
    /// # Errors
    /// [`Code::SessionNeeded`].
    pub fn require_session(&self) -> Result<(), Refusal> {
        if self.token.is_some() { Err(Refusal::new(Code::SessionNeeded)) } else { Ok(()) }
    }

    /// Refuses unless they may change somebody's roles from `before` to `after`: each role given or taken needs its side's manager.
    ///
    /// # Errors
    /// As [`Principal::require`].
    pub fn require_grant(&self, before: &[Role], after: &[Role]) -> Result<(), Refusal> {
        let changed = before.iter().filter(|r| !after.contains(r)).chain(after.iter().filter(|r| !before.contains(r)));
        changed.map(|role| role.granted_by()).try_for_each(|permission| self.require(permission))
    }

    /// They, as the actor of what they do.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        Actor::User { user: self.user, account: self.account }
    }
}

/// What was found for a token's text, and what its last use must become, if that was long ago.
enum Found {
    Session { holder: SessionHolder, roles: Vec<Role> },
    Token { holder: TokenHolder, roles: Vec<Role> },
}

/// Who holds `token` (a session's or an API token's), at the machine's time `wall`.
///
/// One indexed read; the last use is written at most every five minutes, and a failure to write it lets nobody wait at the door.
///
/// # Errors
/// [`Code::TokenInvalid`] when it is unknown, ended, revoked, or its holder is disabled.
pub async fn authenticate(market: &Market, token: &str, wall: i64) -> Result<Principal> {
    let invalid = || Refusal::new(Code::TokenInvalid);
    let (kind, hash) = read_token(token).ok_or_else(invalid)?;
    let found = market
        .db()
        .read(async move |tx| {
            Ok(match kind {
                TokenKind::Session => store::session_holder(tx, &hash, wall).await?.map(|(holder, roles)| Found::Session { holder, roles }),
                TokenKind::Api => store::token_holder(tx, &hash, wall).await?.map(|(holder, roles)| Found::Token { holder, roles }),
            })
        })
        .await?
        .ok_or_else(invalid)?;
    let touched = match &found {
        Found::Session { holder, .. } if wall - holder.seen_at >= TOUCH_MS => {
            let (id, until) = (holder.id, session::expires_at(holder.created_at, wall));
            market.db().write_snapshot(async move |tx| store::touch_session(tx, id, wall, until).await).await
        }
        Found::Token { holder, .. } if wall - holder.used_at.unwrap_or(0) >= TOUCH_MS => {
            let id = holder.id;
            market.db().write_snapshot(async move |tx| store::touch_token(tx, id, wall).await).await
        }
        Found::Session { .. } | Found::Token { .. } => Ok(()),
    };
    if let Err(error) = touched {
        tracing::warn!(error = &error as &dyn std::error::Error, "the last use of a token was not written");
    }
    Ok(found.into_principal())
}

impl Found {
    fn into_principal(self) -> Principal {
        let (person, roles) = match &self {
            Self::Session { holder, roles } => (&holder.person, roles),
            Self::Token { holder, roles } => (&holder.person, roles),
        };
        let sides = account::audiences(person.seller_at, person.operator_at);
        let allowed = role::effective(roles, &sides);
        let (permissions, withheld) = match &self {
            Self::Session { .. } => (allowed, BTreeSet::new()),
            Self::Token { holder, .. } => allowed.into_iter().partition(|permission| holder.scopes.contains(permission)),
        };
        let (session, token) = match &self {
            Self::Session { holder, .. } => (Some(holder.id), None),
            Self::Token { holder, .. } => (None, Some(holder.id)),
        };
        Principal { user: person.user, account: person.account, permissions, sides, withheld, locale: person.locale, session, token }
    }
}

/// A person of an account with all that their roles allow, without session or token: for the command line, seeds and tests.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::UserDisabled`].
pub async fn principal(tx: &mut Tx, account: AccountId, user: UserId) -> Result<Principal> {
    let user = user::get_user(tx, account, user).await?;
    if user.disabled_at.is_some() {
        return Err(Refusal::new(Code::UserDisabled).into());
    }
    let account = account::get(tx, account).await?;
    let sides = account.audiences();
    let permissions = role::effective(&user.roles, &sides);
    let (session, token) = (None, None);
    Ok(Principal { user: user.id, account: account.id, permissions, sides, withheld: BTreeSet::new(), locale: user.locale, session, token })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kernel::Entropy;

    #[test]
    fn a_role_that_is_missing_and_a_scope_that_is_missing_are_told_apart() {
        let entropy = Entropy::from_seed([4; 32]);
        let principal = Principal {
            user: UserId::new(0, &entropy),
            account: AccountId::new(0, &entropy),
            permissions: BTreeSet::from([Permission::BuyerView, Permission::BuyerManage]),
            sides: vec![Audience::Buyer, Audience::Seller],
            withheld: BTreeSet::from([Permission::BuyerPay]),
            locale: Locale::En,
            session: None,
            token: None,
        };
        assert_eq!(principal.require(Permission::BuyerView), Ok(()));
        let refused = principal.require(Permission::BuyerPay).unwrap_err();
        assert_eq!(refused, Refusal::new(Code::ScopeMissing).with("permission", "buyer.pay"));
        assert_eq!(principal.require(Permission::SellerView).unwrap_err().code, Code::RoleMissing);

        let none = Principal { sides: vec![Audience::Buyer], ..principal.clone() };
        assert_eq!(none.require(Permission::SellerView).unwrap_err(), Refusal::new(Code::NotSeller), "no role would help");
        assert_eq!(none.require(Permission::OperatorView).unwrap_err().code, Code::RoleMissing);
        assert_eq!(none.require(Permission::BuyerPay).unwrap_err().code, Code::ScopeMissing);

        let (viewer, owner, seller) = (Role::BuyerViewer, Role::BuyerOwner, Role::SellerOwner);
        assert_eq!(principal.require_grant(&[viewer], &[owner]), Ok(()));
        assert_eq!(principal.require_grant(&[viewer, seller], &[owner, seller]), Ok(()));
        assert_eq!(principal.require_grant(&[viewer, seller], &[viewer]).unwrap_err().code, Code::RoleMissing);
        assert_eq!(principal.require_grant(&[viewer], &[viewer, seller]).unwrap_err().code, Code::RoleMissing);
    }
}
