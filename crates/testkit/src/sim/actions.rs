//! What people, sellers and machines do in a history: a list that is drawn from the seed before anything happens.
//!
//! An action names whom and what it concerns by a number that is resolved when its turn comes, among what then exists. So an action whose
//! target does not exist does nothing, and every part of a list is a list: shrinking needs no more.

use kernel::{DAY_MS, HOUR_MS, MINUTE_MS};

use super::dice::Dice;
use super::faults::{Fault, What};
use super::network::Mood;

/// Sellers of a history.
pub(super) const SELLERS: u32 = 2;
/// Buyers that are there from the beginning.
pub(super) const BUYERS: u32 = 3;
/// The most actions of a history.
const ACTIONS_MAX: u32 = 70;
/// The fewest.
const ACTIONS_MIN: u32 = 30;

/// Names one of those that come into question, whatever their number.
pub(super) type Pick = u32;

/// Whether an order that was placed is paid at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    AtOnce,
    Later,
}

/// How a subscription is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewing {
    ByHand,
    Monthly(Option<i64>),
    Yearly,
    Never,
}

/// A line of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Which SKU of the seller: basic, pro, or what is sold once.
    pub(super) sku: Pick,
    /// Months, or from 12 on years.
    pub(super) months: i64,
    pub(super) quantity: i64,
    pub(super) renewing: Renewing,
}

/// Something that somebody does or that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    SignUp,
    Deposit {
        buyer: Pick,
        minor: i64,
    },
    /// A bank reference that was recorded before.
    DepositAgain {
        pick: Pick,
    },
    Buy {
        buyer: Pick,
        seller: Pick,
        wanted: Vec<Wanted>,
        paid: Paid,
    },
    Pay {
        pick: Pick,
    },
    /// Any order, in whatever state.
    PayAny {
        pick: Pick,
    },
    Cancel {
        pick: Pick,
    },
    Renew {
        pick: Pick,
        months: i64,
        changes: bool,
        paid: Paid,
    },
    Change {
        pick: Pick,
        pro: bool,
        more: i64,
        paid: Paid,
    },
    SetRenewing {
        pick: Pick,
        renewing: Renewing,
        stale: bool,
    },
    Return {
        pick: Pick,
    },
    ReturnRenewal {
        pick: Pick,
    },
    Suspend {
        pick: Pick,
    },
    Resume {
        pick: Pick,
    },
    Hide {
        seller: Pick,
    },
    Show {
        seller: Pick,
    },
    RetireSku {
        seller: Pick,
        sku: Pick,
    },
    RetireProduct {
        seller: Pick,
    },
    Reprice {
        seller: Pick,
        percent: i64,
    },
    Mood {
        seller: Pick,
        mood: Mood,
    },
    Restart {
        pick: Pick,
    },
    Replay {
        pick: Pick,
    },
    LookAtInstance {
        pick: Pick,
    },
    PayOut {
        pick: Pick,
    },
    /// A request that was answered comes once more, with the same key.
    Again {
        pick: Pick,
    },
    /// Another request comes with a key that was used.
    Conflict {
        pick: Pick,
    },
    /// What is due now is done.
    Work,
    /// So much market time passes.
    Pass {
        ms: i64,
    },
    /// So much of the machine's time passes.
    Idle {
        ms: i64,
    },
    /// The next requests and work are another process's.
    OtherProcess,
    /// The process at work ends between two requests.
    Die,
    Fault(Fault),
}

/// The history of a seed.
pub(super) fn plan(seed: u64) -> Vec<Action> {
    let dice = Dice::new(seed, "actions");
    let count = ACTIONS_MIN + dice.below(ACTIONS_MAX - ACTIONS_MIN);
    // A history has a temper of its own, so that some are all faults and others none.
    let faulty = dice.one_of(&[0, 6, 15, 30]);
    let moody = dice.one_of(&[0, 5, 15]);
    let mut actions = Vec::new();
    for buyer in 0..BUYERS {
        actions.push(Action::Deposit { buyer, minor: deposit(&dice) });
    }
    for _ in 0..count {
        if dice.percent(faulty) {
            actions.push(fault(&dice));
        }
        if dice.percent(moody) {
            actions.push(Action::Mood { seller: dice.below(SELLERS), mood: mood(&dice) });
        }
        actions.push(one(&dice));
    }
    actions
}

fn fault(dice: &Dice) -> Action {
    let what = dice.weighted(&[
        (4, What::DiesBeforeCommit),
        (4, What::DiesAfterCommit),
        (3, What::CommitFails),
        (3, What::CommitUnanswered),
        (3, What::DiesBeforeCall),
        (4, What::DiesAfterCall),
        (4, What::StandsStill),
    ]);
    let after = match what {
        What::DiesBeforeCall | What::DiesAfterCall | What::StandsStill => dice.below(2),
        _ => dice.one_of(&[0, 0, 1, 2, 3, 5, 8, 13]),
    };
    Action::Fault(Fault { what, after })
}

fn mood(dice: &Dice) -> Mood {
    dice.weighted(&[
        (5, Mood::Sound),
        (4, Mood::Async(dice.below(6))),
        (3, Mood::Dead),
        (8, Mood::Flaky(dice.below(u32::MAX))),
        (1, Mood::Refusing),
        (1, Mood::SameInstance),
        (1, Mood::NoInstance),
        (1, Mood::NeverReady),
    ])
}

fn renewing(dice: &Dice) -> Renewing {
    dice.weighted(&[
        (4, Renewing::ByHand),
        (4, Renewing::Monthly(None)),
        (2, Renewing::Monthly(Some(i64::from(1 + dice.below(3))))),
        (1, Renewing::Yearly),
        (1, Renewing::Never),
    ])
}

fn wanted(dice: &Dice) -> Wanted {
    Wanted {
        sku: dice.weighted(&[(5, 0), (3, 1), (1, 2)]),
        months: dice.weighted(&[(6, 1), (2, 2), (2, 3), (2, 12)]),
        quantity: i64::from(dice.weighted(&[(5, 1), (3, 1 + dice.below(7)), (1, 500), (1, 501)])),
        renewing: renewing(dice),
    }
}

fn paid(dice: &Dice) -> Paid {
    dice.weighted(&[(4, Paid::AtOnce), (1, Paid::Later)])
}

#[derive(Clone, Copy)]
enum Sort {
    SignUp,
    Deposit,
    DepositAgain,
    Buy,
    Pay,
    PayAny,
    Cancel,
    Renew,
    Change,
    SetRenewing,
    Return,
    ReturnRenewal,
    Suspend,
    Resume,
    Hide,
    Show,
    RetireSku,
    RetireProduct,
    Reprice,
    Restart,
    Replay,
    LookAtInstance,
    PayOut,
    Again,
    Conflict,
    Work,
    Pass,
    Idle,
    OtherProcess,
    Die,
}

/// How likely each sort is.
const SORTS: [(u32, Sort); 30] = [
    (10, Sort::SignUp),
    (50, Sort::Deposit),
    (8, Sort::DepositAgain),
    (170, Sort::Buy),
    (40, Sort::Pay),
    (10, Sort::PayAny),
    (15, Sort::Cancel),
    (80, Sort::Renew),
    (60, Sort::Change),
    (40, Sort::SetRenewing),
    (60, Sort::Return),
    (30, Sort::ReturnRenewal),
    (20, Sort::Suspend),
    (20, Sort::Resume),
    (8, Sort::Hide),
    (8, Sort::Show),
    (4, Sort::RetireSku),
    (2, Sort::RetireProduct),
    (12, Sort::Reprice),
    (25, Sort::Restart),
    (10, Sort::Replay),
    (10, Sort::LookAtInstance),
    (20, Sort::PayOut),
    (25, Sort::Again),
    (10, Sort::Conflict),
    (90, Sort::Work),
    (170, Sort::Pass),
    (12, Sort::Idle),
    (40, Sort::OtherProcess),
    (15, Sort::Die),
];

fn one(dice: &Dice) -> Action {
    let pick = dice.below(1 << 16);
    let seller = dice.below(SELLERS);
    match dice.weighted(&SORTS) {
        Sort::SignUp => Action::SignUp,
        Sort::Deposit => Action::Deposit { buyer: pick, minor: deposit(dice) },
        Sort::DepositAgain => Action::DepositAgain { pick },
        Sort::Buy => {
            let lines = dice.weighted(&[(6, 1), (2, 2), (1, 3)]);
            Action::Buy { buyer: pick, seller, wanted: (0..lines).map(|_| wanted(dice)).collect(), paid: paid(dice) }
        }
        Sort::Pay => Action::Pay { pick },
        Sort::PayAny => Action::PayAny { pick },
        Sort::Cancel => Action::Cancel { pick },
        Sort::Renew => {
            Action::Renew { pick, months: dice.weighted(&[(5, 1), (2, 3), (1, 12)]), changes: dice.percent(25), paid: paid(dice) }
        }
        Sort::Change => Action::Change { pick, pro: dice.percent(50), more: i64::from(dice.below(4)), paid: paid(dice) },
        Sort::SetRenewing => Action::SetRenewing { pick, renewing: renewing(dice), stale: dice.percent(20) },
        Sort::Return => Action::Return { pick },
        Sort::ReturnRenewal => Action::ReturnRenewal { pick },
        Sort::Suspend => Action::Suspend { pick },
        Sort::Resume => Action::Resume { pick },
        Sort::Hide => Action::Hide { seller },
        Sort::Show => Action::Show { seller },
        Sort::RetireSku => Action::RetireSku { seller, sku: pick },
        Sort::RetireProduct => Action::RetireProduct { seller },
        Sort::Reprice => Action::Reprice { seller, percent: i64::from(dice.one_of(&[50u32, 90, 110, 200])) },
        Sort::Restart => Action::Restart { pick },
        Sort::Replay => Action::Replay { pick },
        Sort::LookAtInstance => Action::LookAtInstance { pick },
        Sort::PayOut => Action::PayOut { pick },
        Sort::Again => Action::Again { pick },
        Sort::Conflict => Action::Conflict { pick },
        Sort::Work => Action::Work,
        Sort::Pass => Action::Pass { ms: duration(dice) },
        Sort::Idle => Action::Idle { ms: i64::from(dice.one_of(&[5_000u32, 15_000, 90_000])) },
        Sort::OtherProcess => Action::OtherProcess,
        Sort::Die => Action::Die,
    }
}

/// From less than a month of the cheapest to years of the dearest, minor units.
fn deposit(dice: &Dice) -> i64 {
    i64::from(1 + dice.below(100)) * dice.one_of(&[1_000, 10_000, 100_000, 100_000])
}

fn duration(dice: &Dice) -> i64 {
    let unit = dice.weighted(&[(2, MINUTE_MS), (3, HOUR_MS), (6, DAY_MS)]);
    let most = match unit {
        MINUTE_MS => 50,
        HOUR_MS => 30,
        _ => 20,
    };
    i64::from(1 + dice.below(most)) * unit
}
