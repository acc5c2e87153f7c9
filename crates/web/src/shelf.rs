//! The index of what is on sale, and pages made from it, kept as the catalogue is.
//!
//! Whoever asks compares the mark of the shelf first: what has changed since is taken in before the answer. The mark is read anew after every
//! write of this process, so a product that was hidden here is not found by the next question; what another process has changed is seen within
//! [`MARK_TRUSTED`]. Whatever a search shows is read from the database besides. The index is made with the first question; a market that nobody
//! visits has none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use http::HeaderMap;

use kernel::{AccountId, Ctx, Locale, ProductId};
use market::catalog::categories::{self, Category};
use market::catalog::{self, ChargingMode, ShelfEntry, Texts};
use market::page::PageRequest;
use market::{accounts, views};
use search::{Bands, Entry, Facts, Found, Index, Question};

use crate::AppState;
use crate::problem::{ApiError, ApiResult};

/// Products that are read at once.
const STEP: i64 = 200;
/// Products that go into the index at once.
const BATCH: usize = 1_000;
/// A mark that no catalogue has: the index is being made.
const IN_THE_MAKING: i64 = -1;
/// For so long what is popular is remembered, ms of machine time.
const POPULAR_KEPT_MS: i64 = 600_000;
/// How many popular products are remembered; some of them may be hidden meanwhile.
const POPULAR_MAX: i64 = 24;

/// The highest prices of the bands but the last, in whole units of the currency.
const BANDS: [i64; 4] = [0, 100, 1_000, 10_000];

/// For so long the mark is taken for what it was, while this process writes nothing.
const MARK_TRUSTED: Duration = Duration::from_secs(1);
/// For so long a page is shown as it was made: names of sellers and what is popular change without a mark.
const PAGE_KEPT: Duration = Duration::from_secs(60);
/// The most pages that are kept, and the most bytes of one; when there are more, keeping begins anew.
const PAGES_MAX: usize = 128;
const PAGE_BYTES_MAX: usize = 64 * 1024;

/// The mark as it was read: after how many writes of this process, and when.
type Seen = Option<(u64, Instant, i64)>;

/// A page as visitors get it.
#[derive(Clone, Debug)]
pub(crate) struct KeptPage {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    mark: i64,
    made: Instant,
}

/// When it was looked up, and what was found.
type Popular = Option<(i64, Vec<ProductId>)>;

/// The index, and what else is derived from the catalogue.
#[derive(Debug)]
pub(crate) struct Shelf {
    index: Arc<Index>,
    /// One takes in what has changed, the others wait for it.
    refreshing: tokio::sync::Mutex<()>,
    popular: Mutex<Popular>,
    /// Counts what this process has written.
    writes: AtomicU64,
    seen: Mutex<Seen>,
    pages: Mutex<HashMap<String, KeptPage>>,
}

impl Shelf {
    pub(crate) fn new() -> Result<Self, search::Fault> {
        Ok(Self {
            index: Arc::new(Index::new()?),
            refreshing: tokio::sync::Mutex::default(),
            popular: Mutex::default(),
            writes: AtomicU64::new(0),
            seen: Mutex::default(),
            pages: Mutex::default(),
        })
    }

    /// This process has written something; the mark may be another one.
    pub(crate) fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::AcqRel);
    }

    /// The page that was made under `key` when the shelf had this mark, if it is still good.
    pub(crate) fn page(&self, key: &str, mark: i64) -> Option<KeptPage> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.get(key).filter(|page| page.mark == mark && page.made.elapsed() < PAGE_KEPT).cloned()
    }

    /// Keeps a page that was made after the mark had been read.
    pub(crate) fn keep(&self, key: String, mark: i64, headers: HeaderMap, body: Bytes) {
        if body.len() > PAGE_BYTES_MAX {
            return;
        }
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() >= PAGES_MAX && !pages.contains_key(&key) {
            pages.clear();
        }
        pages.insert(key, KeptPage { headers, body, mark, made: Instant::now() });
    }
}

/// The number of a category in the index.
pub(crate) fn number_of(wanted: &str) -> Option<u16> {
    let place = all_categories().position(|category| category.slug == wanted)?;
    u16::try_from(place).ok()
}

fn all_categories() -> impl Iterator<Item = &'static Category> {
    categories::TREE.iter().flat_map(|branch| std::iter::once(&branch.category).chain(branch.leaves))
}

/// The bit of a mode in the index.
pub(crate) const fn mode_bit(mode: ChargingMode) -> u8 {
    match mode {
        ChargingMode::Period => 0,
        ChargingMode::OneTime => 1,
    }
}

/// The bands of prices, minor units.
pub(crate) fn bands(app: &AppState) -> Bands {
    let whole = 10_i64.pow(app.market().edition().currency.decimals());
    Bands(BANDS.iter().map(|highest| highest * whole).collect())
}

fn entry(app: &AppState, on_shelf: &ShelfEntry, seller: &str) -> Entry {
    let content = &on_shelf.content;
    let both = |texts: &Texts| [texts.zh.clone(), texts.en.clone()];
    let leaf = categories::leaf(&content.category);
    let named = leaf.iter().flat_map(|(branch, leaf)| [&branch.category, *leaf]);
    let categories = leaf.iter().flat_map(|(branch, leaf)| [leaf.slug, branch.category.slug]).filter_map(number_of).collect();
    let mut body: Vec<String> = both(&content.overview).into_iter().chain(content.highlights.iter().flat_map(both)).collect();
    body.push(seller.to_owned());
    body.extend(named.flat_map(|category| [category.zh.to_owned(), category.en.to_owned()]));
    let price = on_shelf.price_from(app.market().edition().currency);
    Entry {
        id: on_shelf.id,
        names: both(&content.names).into(),
        body,
        rest: both(&content.description).into(),
        facts: Facts {
            categories,
            modes: content.editions.iter().fold(0, |modes, edition| modes | 1 << mode_bit(edition.charging_mode)),
            price_minor: price.map(|from| from.price.minor),
            published_at: on_shelf.published_at,
        },
    }
}

impl AppState {
    /// The mark of the shelf now.
    pub(crate) async fn shelf_mark(&self) -> ApiResult<i64> {
        let seen = || self.shelf().seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Counted before it is read: a write that ends meanwhile makes what was read worth nothing.
        let writes = self.shelf().writes.load(Ordering::Acquire);
        if let Some((after, at, mark)) = *seen()
            && after == writes
            && at.elapsed() < MARK_TRUSTED
        {
            return Ok(mark);
        }
        let at = Instant::now();
        let mark = self.read(async |tx| catalog::shelf_mark(tx).await).await?;
        *seen() = Some((writes, at, mark));
        Ok(mark)
    }

    /// The index, as the catalogue is now.
    async fn index(&self) -> ApiResult<Arc<Index>> {
        let (shelf, mark) = (self.shelf(), self.shelf_mark().await?);
        let is_fresh = || shelf.index.mark().is_some_and(|known| known >= mark);
        if !is_fresh() {
            let _one = shelf.refreshing.lock().await;
            if !is_fresh() {
                self.refresh(mark).await?;
            }
        }
        Ok(Arc::clone(&shelf.index))
    }

    async fn refresh(&self, mark: i64) -> ApiResult<()> {
        match self.shelf().index.mark() {
            None | Some(IN_THE_MAKING) => self.fill(mark).await,
            Some(known) => self.follow(known).await,
        }
    }

    /// Puts in everything that is on sale. What changes meanwhile is followed from `mark` on.
    async fn fill(&self, mark: i64) -> ApiResult<()> {
        let (mut sellers, mut waiting, mut page) = (HashMap::new(), Vec::new(), PageRequest { limit: STEP, ..PageRequest::default() });
        loop {
            let asked = page.clone();
            let found = self.read(async move |tx| catalog::shelf_page(tx, &asked).await).await?;
            waiting.extend(self.entries(&found.items, &mut sellers).await?);
            let Some(next) = found.next else { break };
            page.after = next;
            if waiting.len() >= BATCH {
                self.apply(IN_THE_MAKING, std::mem::take(&mut waiting), Vec::new()).await?;
            }
        }
        self.apply(mark, waiting, Vec::new()).await
    }

    async fn follow(&self, mut known: i64) -> ApiResult<()> {
        let mut sellers = HashMap::new();
        loop {
            let (changes, found) = self
                .read(async move |tx| {
                    let changes = catalog::shelf_changes(tx, known, STEP).await?;
                    let ids: Vec<ProductId> = changes.iter().map(|(id, _)| *id).collect();
                    Ok((changes, catalog::shelf_of(tx, &ids).await?))
                })
                .await?;
            let Some((_, last)) = changes.last() else { return Ok(()) };
            known = *last;
            let put = self.entries(&found, &mut sellers).await?;
            let gone = changes.iter().map(|(id, _)| *id).filter(|id| !put.iter().any(|entry| entry.id == *id)).collect();
            self.apply(known, put, gone).await?;
        }
    }

    async fn entries(&self, found: &[ShelfEntry], sellers: &mut HashMap<AccountId, String>) -> ApiResult<Vec<Entry>> {
        let mut entries = Vec::with_capacity(found.len());
        for on_shelf in found {
            if !sellers.contains_key(&on_shelf.seller_id) {
                let id = on_shelf.seller_id;
                let title = self.read(async move |tx| Ok(accounts::get(tx, id).await?.title)).await?;
                sellers.insert(id, title);
            }
            // What nothing is sold of any more is in no list.
            if !on_shelf.content.editions.is_empty() {
                entries.push(entry(self, on_shelf, &sellers[&on_shelf.seller_id]));
            }
        }
        Ok(entries)
    }

    async fn apply(&self, mark: i64, put: Vec<Entry>, gone: Vec<ProductId>) -> ApiResult<()> {
        let index = Arc::clone(&self.shelf().index);
        in_the_background(move || index.apply(mark, &put, &gone)).await
    }

    /// Answers a question about what is on sale. Whoever shows the answer reads the products from the database first.
    pub(crate) async fn ask(&self, question: Question) -> ApiResult<Found> {
        let (index, bands) = (self.index().await?, bands(self));
        in_the_background(move || index.search(&question, &bands)).await
    }

    /// Products whose names somebody may be typing.
    pub(crate) async fn suggest(&self, typed: String, take: usize) -> ApiResult<Vec<ProductId>> {
        let index = self.index().await?;
        in_the_background(move || index.suggest(&typed, take)).await
    }

    /// What was bought most often of late, as it was some minutes ago.
    pub(crate) async fn popular(&self, ctx: &Ctx) -> ApiResult<Vec<ProductId>> {
        let kept = || self.shelf().popular.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, ids)) = &*kept()
            && (0..POPULAR_KEPT_MS).contains(&(ctx.wall - at))
        {
            return Ok(ids.clone());
        }
        let (market, at) = (self.market().clone(), ctx.at(ctx.now));
        let ids = self.read(async move |tx| views::shop::popular(tx, &at, market.edition(), POPULAR_MAX).await).await?;
        *kept() = Some((ctx.wall, ids.clone()));
        Ok(ids)
    }
}

/// Searching keeps a processor busy; others go on meanwhile.
async fn in_the_background<T: Send + 'static>(work: impl FnOnce() -> Result<T, search::Fault> + Send + 'static) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|fault| ApiError::Broken(Box::new(fault)))?;
    done.map_err(|fault| ApiError::Broken(Box::new(fault)))
}

/// The name of a category, by its slug.
pub(crate) fn category_name(slug: &str, locale: Locale) -> Option<&'static str> {
    categories::find(slug).map(|(branch, leaf)| leaf.unwrap_or(&branch.category).name(locale))
}
