//! Roles and what each of them may do: the one table.

use std::collections::BTreeSet;

kernel::words! {
    /// The side of the market that a role or a permission belongs to.
    pub enum Audience {
        /// Every account buys.
        Buyer = "buyer",
        /// Accounts whose application was approved.
        Seller = "seller",
        /// The account that runs the marketplace.
        Operator = "operator",
    }
}

kernel::words! {
    /// What a person is to their account (spec: business §1.4, §1.5).
    pub enum Role {
        /// Everything on the buyer's side.
        BuyerOwner = "buyer.owner",
        /// Chooses and orders.
        BuyerPurchaser = "buyer.purchaser",
        /// Pays and sees the money.
        BuyerFinance = "buyer.finance",
        /// Looks.
        BuyerViewer = "buyer.viewer",
        /// Everything on the seller's side.
        SellerOwner = "seller.owner",
        /// Writes and publishes products.
        SellerProduct = "seller.product",
        /// Looks after production addresses, keys and calls.
        SellerDeveloper = "seller.developer",
        /// Sees and confirms statements.
        SellerFinance = "seller.finance",
        /// Looks things up for customers.
        SellerSupport = "seller.support",
        /// Everything on the operator's side.
        OperatorAdmin = "operator.admin",
        /// Decides applications and products.
        OperatorReviewer = "operator.reviewer",
        /// Records deposits, runs and pays settlements.
        OperatorFinance = "operator.finance",
        /// Helps buyers and sellers.
        OperatorSupport = "operator.support",
    }
}

kernel::words! {
    /// One thing that may be done; also the scopes of API tokens.
    pub enum Permission {
        /// See the account's orders, subscriptions and balance.
        BuyerView = "buyer.view",
        /// Order, renew, change, unsubscribe.
        BuyerPurchase = "buyer.purchase",
        /// Pay orders from the balance.
        BuyerPay = "buyer.pay",
        /// Look after the account: its people, keys, application to sell.
        BuyerManage = "buyer.manage",
        /// See the seller's products, orders and calls.
        SellerView = "seller.view",
        /// Write, submit, hide and retire products.
        SellerProducts = "seller.products",
        /// Production addresses, signing keys, AK/SK pairs, calls.
        SellerDevelop = "seller.develop",
        /// Statements and payouts.
        SellerFinance = "seller.finance",
        /// The seller's data and the seller roles of its people.
        SellerManage = "seller.manage",
        /// See everything of the marketplace.
        OperatorView = "operator.view",
        /// Decide applications and products.
        OperatorReview = "operator.review",
        /// Deposits, settlement, payouts.
        OperatorFinance = "operator.finance",
        /// Freeze and unfreeze, restart calls.
        OperatorSupport = "operator.support",
        /// The operator's people; the clock of a sandbox.
        OperatorAdmin = "operator.admin",
    }
}

impl Permission {
    /// The side this is done on.
    #[must_use]
    pub const fn audience(self) -> Audience {
        match self {
            Self::BuyerView | Self::BuyerPurchase | Self::BuyerPay | Self::BuyerManage => Audience::Buyer,
            Self::SellerView | Self::SellerProducts | Self::SellerDevelop | Self::SellerFinance | Self::SellerManage => Audience::Seller,
            Self::OperatorView | Self::OperatorReview | Self::OperatorFinance | Self::OperatorSupport | Self::OperatorAdmin => {
                Audience::Operator
            }
        }
    }
}

impl Role {
    /// The side this role works on.
    #[must_use]
    pub const fn audience(self) -> Audience {
        match self {
            Self::BuyerOwner | Self::BuyerPurchaser | Self::BuyerFinance | Self::BuyerViewer => Audience::Buyer,
            Self::SellerOwner | Self::SellerProduct | Self::SellerDeveloper | Self::SellerFinance | Self::SellerSupport => Audience::Seller,
            Self::OperatorAdmin | Self::OperatorReviewer | Self::OperatorFinance | Self::OperatorSupport => Audience::Operator,
        }
    }

    /// What this role may do. Ordering and paying are two permissions of two roles, so that an account may keep them with two people.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::BuyerOwner => &[P::BuyerView, P::BuyerPurchase, P::BuyerPay, P::BuyerManage],
            Self::BuyerPurchaser => &[P::BuyerView, P::BuyerPurchase],
            Self::BuyerFinance => &[P::BuyerView, P::BuyerPay],
            Self::BuyerViewer => &[P::BuyerView],
            Self::SellerOwner => &[P::SellerView, P::SellerProducts, P::SellerDevelop, P::SellerFinance, P::SellerManage],
            Self::SellerProduct => &[P::SellerView, P::SellerProducts],
            Self::SellerDeveloper => &[P::SellerView, P::SellerDevelop],
            Self::SellerFinance => &[P::SellerView, P::SellerFinance],
            Self::SellerSupport => &[P::SellerView],
            Self::OperatorAdmin => &[P::OperatorView, P::OperatorReview, P::OperatorFinance, P::OperatorSupport, P::OperatorAdmin],
            Self::OperatorReviewer => &[P::OperatorView, P::OperatorReview],
            Self::OperatorFinance => &[P::OperatorView, P::OperatorFinance],
            Self::OperatorSupport => &[P::OperatorView, P::OperatorSupport],
        }
    }

    /// Those who own a side of an account.
    pub(super) const OWNERS: [Self; 3] = [Self::BuyerOwner, Self::SellerOwner, Self::OperatorAdmin];

    /// What somebody must be allowed to do who gives or takes this role.
    #[must_use]
    pub const fn granted_by(self) -> Permission {
        match self.audience() {
            Audience::Buyer => Permission::BuyerManage,
            Audience::Seller => Permission::SellerManage,
            Audience::Operator => Permission::OperatorAdmin,
        }
    }
}

/// What `roles` allow in an account that is on these sides of the market.
pub(super) fn effective(roles: &[Role], sides: &[Audience]) -> BTreeSet<Permission> {
    roles.iter().filter(|role| sides.contains(&role.audience())).flat_map(|role| role.permissions()).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_allows_things_of_its_own_side_only_and_can_look() {
        for role in Role::ALL {
            let side = role.audience().word();
            assert!(role.word().starts_with(side));
            assert!(role.permissions().iter().all(|p| p.word().split('.').next() == Some(side)), "{role}");
            assert!(role.permissions().iter().any(|p| p.word().ends_with(".view")), "{role}");
        }
        assert!(Permission::ALL.iter().all(|p| p.word().split('.').next() == Some(p.audience().word())));
    }

    #[test]
    fn an_owner_may_do_everything_of_the_side_and_nobody_else_may_manage() {
        for (owner, manage) in [
            (Role::BuyerOwner, Permission::BuyerManage),
            (Role::SellerOwner, Permission::SellerManage),
            (Role::OperatorAdmin, Permission::OperatorAdmin),
        ] {
            let side = owner.audience().word();
            let all: BTreeSet<_> = Permission::ALL.iter().copied().filter(|p| p.word().split('.').next() == Some(side)).collect();
            assert_eq!(owner.permissions().iter().copied().collect::<BTreeSet<_>>(), all);
            assert_eq!(owner.granted_by(), manage);
            let managers: Vec<_> = Role::ALL.iter().copied().filter(|r| r.permissions().contains(&manage)).collect();
            assert_eq!(managers, [owner]);
        }
    }

    #[test]
    fn a_role_works_only_where_the_account_is() {
        let roles = [Role::BuyerViewer, Role::SellerOwner, Role::OperatorAdmin];
        assert_eq!(effective(&roles, &[Audience::Buyer]), BTreeSet::from([Permission::BuyerView]));
        assert!(effective(&roles, &[Audience::Buyer, Audience::Seller]).contains(&Permission::SellerManage));
        assert!(!effective(&roles, &[Audience::Buyer, Audience::Seller]).contains(&Permission::OperatorView));
    }
}
