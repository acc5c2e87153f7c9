//! The numbers of the business: configuration of a site's edition, with the defaults of the business spec (spec: business §11).
//!
//! An order, a line and a statement keep their own copy of every number that priced them, so changing one here never touches the past.

use kernel::{Currency, MONEY_MAX_MINOR, Rate, WorkingDays, Zone};
use serde::{Deserialize, Serialize};

kernel::words! {
    /// The two editions of the spec.
    pub enum EditionKind {
        /// Mainland China.
        Cn = "CN",
        /// International.
        Intl = "INTL",
    }
}

kernel::words! {
    /// The tax product of an edition's sales (spec: business §7.5).
    pub enum TaxKind {
        /// Software licences and subscriptions to them.
        Software = "software",
        /// Services.
        Service = "service",
    }
}

/// One step of the volume reduction of the platform fee (spec: business §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FeeStep {
    /// From this paid sum of a product in a calendar month, minor units.
    pub from_minor: i64,
    /// This much is taken off the fee rate.
    pub reduction: Rate,
}

/// Every number of the business that a site may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Which edition's defaults these are.
    pub kind: EditionKind,
    /// The currency of all prices.
    pub currency: Currency,
    /// The zone of days, months and 03:00.
    pub zone: Zone,
    /// Which days are worked.
    pub working_days: WorkingDays,
    /// VAT inside the price of software (spec: business §7.5, §12 Q14).
    pub tax_software: Rate,
    /// VAT inside the price of services, and inside the platform fee.
    pub tax_service: Rate,
    /// The platform fee on common products (spec: business §7.4).
    pub fee_common: Rate,
    /// Its reduction by a product's monthly paid sum, ascending.
    pub fee_steps: Vec<FeeStep>,
    /// Days after which an unpaid order ends (spec: business §5.1).
    pub order_unpaid_days: i64,
    /// Minutes after which an unpaid change ends: its price falls with the days that remain. `[ours]`
    pub change_unpaid_minutes: i64,
    /// Days between the end and the freeze (spec: business §12 Q19).
    pub grace_days: i64,
    /// Days between the freeze and the release (spec: business §5.2).
    pub retention_days: i64,
    /// Days before the end of the first automatic renewal (spec: business §5.3).
    pub auto_renew_days: i64,
    /// Local hour of automatic renewals.
    pub auto_renew_hour: i8,
    /// Days before the end on which a reminder is sent, descending (spec: business §5.3).
    pub reminder_days: Vec<i64>,
    /// Local hour of reminders.
    pub reminder_hour: i8,
    /// Days before the end on which a failed automatic renewal is reported, descending.
    pub renewal_failure_days: Vec<i64>,
    /// Days before the release on which it is announced, descending.
    pub release_notice_days: Vec<i64>,
    /// Days before the end from which a renewal may change the SKU or the quantity (spec: business §5.5).
    pub renewal_change_days: i64,
    /// Days in which a purchase may be returned without reason (spec: business §6.4).
    pub refund_days: i64,
    /// No-reason refunds of an account in a calendar year.
    pub refund_quota: i64,
    /// A refund of more than this waits for the operator (spec: business §6.4), minor units.
    pub refund_large_minor: i64,
    /// Hours in which the operator decides about it.
    pub refund_review_hours: i64,
    /// Failed orders of a product in a calendar month above which it is flagged (spec: business §5.1).
    pub failed_orders_max: i64,
    /// Day of the month of the settlement run (spec: business §7.3).
    pub settle_day: i8,
    /// Local hour of the settlement run.
    pub settle_hour: i8,
    /// The smallest sum that is paid out; less is carried (spec: business §12 Q13), minor units.
    pub payout_min_minor: i64,
    /// Users of one account (spec: business §1.5).
    pub users_max: i64,
}

impl Edition {
    /// The defaults of an edition.
    #[must_use]
    pub fn defaults(kind: EditionKind) -> Self {
        let cn = Self {
            kind,
            currency: Currency::CNY,
            zone: Zone::shanghai(),
            working_days: WorkingDays::default(),
            tax_software: Rate::bp(1_300),
            tax_service: Rate::bp(600),
            fee_common: Rate::bp(500),
            fee_steps: vec![
                FeeStep { from_minor: 50_000_000, reduction: Rate::bp(100) },
                FeeStep { from_minor: 100_000_000, reduction: Rate::bp(200) },
            ],
            order_unpaid_days: 7,
            change_unpaid_minutes: 60,
            grace_days: 0,
            retention_days: 15,
            auto_renew_days: 7,
            auto_renew_hour: 3,
            reminder_days: vec![15, 7, 3, 1],
            reminder_hour: 10,
            renewal_failure_days: vec![5, 2, 0],
            release_notice_days: vec![6, 2, 0],
            renewal_change_days: 30,
            refund_days: 5,
            refund_quota: 10,
            refund_large_minor: 5_000_000,
            refund_review_hours: 24,
            failed_orders_max: 5,
            settle_day: 3,
            settle_hour: 2,
            payout_min_minor: 10_000,
            users_max: 50,
        };
        match kind {
            EditionKind::Cn => cn,
            EditionKind::Intl => Self {
                currency: Currency::USD,
                zone: Zone::utc(),
                tax_software: Rate::bp(0),
                tax_service: Rate::bp(0),
                fee_common: Rate::bp(1_300),
                fee_steps: Vec::new(),
                refund_large_minor: MONEY_MAX_MINOR,
                settle_day: 7,
                ..cn
            },
        }
    }

    /// The tax rate inside a price of this kind.
    #[must_use]
    pub const fn tax(&self, kind: TaxKind) -> Rate {
        match kind {
            TaxKind::Software => self.tax_software,
            TaxKind::Service => self.tax_service,
        }
    }
}
