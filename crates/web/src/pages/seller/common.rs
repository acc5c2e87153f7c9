//! What several pages of the seller center share.

use db::Tx;
use kernel::AccountId;
use market::debugging::DebugVerdict;
use market::page::{PAGE_MAX, PageRequest};
use market::sellers::{self, Address, SellerKey};
use market::settlement::ItemState;

use crate::pages::parts::Chip;
use crate::pages::shell::Words;

pub(super) fn verdict_chip(verdict: DebugVerdict, words: &Words) -> Chip {
    let (key, tone) = match verdict {
        DebugVerdict::Sending => ("page-sell-try-sending", "wait"),
        DebugVerdict::Passed => ("page-sell-try-passed", "ok"),
        DebugVerdict::Failed => ("page-sell-try-failed", "bad"),
    };
    Chip { word: words.s(key), tone }
}

pub(super) fn item_chip(state: ItemState, words: &Words) -> Chip {
    let (key, tone) = match state {
        ItemState::Open => ("page-sell-item-open", "wait"),
        ItemState::Billed => ("page-sell-item-billed", "ok"),
        ItemState::Void => ("page-sell-item-void", "idle"),
    };
    Chip { word: words.s(key), tone }
}

/// The addresses of a seller, with the retired ones.
pub(in crate::pages) async fn addresses(tx: &mut Tx, seller: AccountId) -> db::Result<Vec<Address>> {
    let page = PageRequest { after: String::new(), limit: PAGE_MAX };
    Ok(sellers::addresses(tx, seller, &page).await?.items)
}

/// The signing keys of a seller, with the retired ones.
pub(super) async fn signing_keys(tx: &mut Tx, seller: AccountId) -> db::Result<Vec<SellerKey>> {
    let page = PageRequest { after: String::new(), limit: PAGE_MAX };
    Ok(sellers::keys(tx, seller, &page).await?.items)
}
