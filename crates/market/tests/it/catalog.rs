//! The catalogue: from a draft over the review to sale and retirement.

use db::{Result, Tx, sql};
use kernel::{AccountId, Actor, AddressId, Code, Ctx, DAY_MS, Entropy, ListingId, Locale, PriceId, ProductId, SellerKeyId, SkuId, UserId};
use market::audit;
use market::catalog::{
    self, By, ChargingMode, EditionContent, ListingState, Offer, PartState, PriceContent, PriceUnit, ProductContent, ProductState,
    ProductView, Purpose, QuantityRule, RefundRule, Review, SellerProduct, Side, SkuContent, SubmissionKind, Texts,
};
use market::edition::{Edition, EditionKind, TaxKind};
use market::notices::{self, NoticeKind};
use market::page::PageRequest;

use crate::support::TestMarket;

/// 2026-01-01 00:00 in Shanghai.
const NEW_YEAR_MS: i64 = 1_767_196_800_000;

/// A market with two sellers, each with a production address.
struct Shop {
    test: TestMarket,
    seller: AccountId,
    rival: AccountId,
    address: AddressId,
    rivals_address: AddressId,
    now: i64,
}

async fn add_seller(tx: &mut Tx, account: AccountId, address: AddressId, key: SellerKeyId, name: &str) -> Result<()> {
    let insert = sql!(
        "INSERT INTO accounts (id, name, name_key, kind, title, created_at, version) VALUES ($1, $2, $2, 'enterprise', $2, CAST($3 AS BIGINT), 1)"
    );
    tx.execute(insert, &[&account, &name, &NEW_YEAR_MS]).await?;
    let insert = sql!(
        "INSERT INTO sellers (account_id, state, company, website, contact_name, contact_email, contact_phone, bank_name, bank_account_sealed,
           bank_account_hint, applied_at, version) VALUES ($1, 'approved', $2, '', '', '', '', '', $3, '', CAST($4 AS BIGINT), 1)"
    );
    tx.execute(insert, &[&account, &name, &[0u8; 4], &NEW_YEAR_MS]).await?;
    let insert = sql!(
        "INSERT INTO seller_keys (id, seller_id, name, key_sealed, hint, created_at) VALUES ($1, $2, 'key', $3, '', CAST($4 AS BIGINT))"
    );
    tx.execute(insert, &[&key, &account, &[0u8; 4], &NEW_YEAR_MS]).await?;
    let insert = sql!(
        "INSERT INTO production_addresses (id, seller_id, name, url, dialect, key_id, created_at, version)
         VALUES ($1, $2, 'main', 'https://seller.example/', 'koogallery-v2', $3, CAST($4 AS BIGINT), 1)"
    );
    tx.execute(insert, &[&address, &account, &key, &NEW_YEAR_MS]).await.map(drop)
}

async fn retire_address(tx: &mut Tx, address: AddressId) -> Result<()> {
    let update = sql!("UPDATE production_addresses SET retired_at = CAST($1 AS BIGINT) WHERE id = $2");
    tx.execute(update, &[&NEW_YEAR_MS, &address]).await.map(drop)
}

/// Runs one act as a transaction: `act!(shop, |tx, ctx| catalog::submit(tx, ctx, seller, id).await)`.
macro_rules! act {
    ($shop:expr, |$tx:ident, $ctx:ident| $body:expr) => {{
        let context = $shop.ctx();
        $shop
            .test
            .market
            .db()
            .write(async move |$tx: &mut Tx| {
                let $ctx = &context;
                let _unused = $ctx;
                $body
            })
            .await
    }};
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.unwrap_err().code().unwrap()
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result.unwrap_err() {
        db::Error::Refused(refusal) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

impl Shop {
    async fn open() -> Self {
        let test = TestMarket::new().await;
        let entropy = Entropy::from_seed([11; 32]);
        let (seller, rival) = (AccountId::new(NEW_YEAR_MS, &entropy), AccountId::new(NEW_YEAR_MS, &entropy));
        let (address, rivals_address) = (AddressId::new(NEW_YEAR_MS, &entropy), AddressId::new(NEW_YEAR_MS, &entropy));
        let keys = [SellerKeyId::new(NEW_YEAR_MS, &entropy), SellerKeyId::new(NEW_YEAR_MS, &entropy)];
        test.market
            .db()
            .write(async move |tx| {
                add_seller(tx, seller, address, keys[0], "notes").await?;
                add_seller(tx, rival, rivals_address, keys[1], "rival").await
            })
            .await
            .unwrap();
        Self { test, seller, rival, address, rivals_address, now: NEW_YEAR_MS }
    }

    fn ctx(&self) -> Ctx {
        let user = UserId::new(NEW_YEAR_MS, &Entropy::from_seed([12; 32]));
        self.test.market.ctx_at(self.now, Actor::User { user, account: self.seller }, Locale::En)
    }

    fn sku(&self, zh: &str, month: i64) -> SkuContent {
        let prices = [(PriceUnit::Month, month), (PriceUnit::Year, month * 10)];
        SkuContent {
            id: None,
            names: Texts::new(zh, ""),
            quantity: QuantityRule { min: 5, max: 500, step: 5, unit: Texts::new("用户", "users") },
            prices: prices.map(|(unit, amount_minor)| PriceContent { unit, amount_minor }).to_vec(),
            change: None,
        }
    }

    fn edition(&self, zh: &str, skus: Vec<SkuContent>) -> EditionContent {
        EditionContent {
            id: None,
            names: Texts::new(zh, ""),
            charging_mode: ChargingMode::Period,
            tax_kind: TaxKind::Software,
            refund_rule: RefundRule::NoReason,
            address_id: Some(self.address),
            skus,
        }
    }

    /// A product with two editions: one SKU, and two SKUs.
    fn content(&self, zh: &str, en: &str) -> ProductContent {
        ProductContent {
            names: Texts::new(zh, en),
            overview: Texts::new("记笔记", "Takes notes"),
            description: Texts::new("# 很好", "# Good"),
            highlights: vec![Texts::new("快", "Fast")],
            category: "other".to_owned(),
            support_email: "help@notes.example".to_owned(),
            support_phone: String::new(),
            editions: vec![
                self.edition("标准版", vec![self.sku("基础", 9_900)]),
                self.edition("专业版", vec![self.sku("基础", 19_900), self.sku("高级", 29_900)]),
            ],
        }
    }

    async fn create(&self, content: ProductContent) -> SellerProduct {
        let seller = self.seller;
        act!(self, |tx, ctx| catalog::create(tx, ctx, seller, content.clone()).await).unwrap()
    }

    async fn save(&self, id: ProductId, content: ProductContent) -> Result<SellerProduct> {
        let seller = self.seller;
        act!(self, |tx, ctx| catalog::update_draft(tx, ctx, seller, id, content.clone(), None).await)
    }

    async fn submit(&self, id: ProductId) -> Result<SellerProduct> {
        let seller = self.seller;
        act!(self, |tx, ctx| catalog::submit(tx, ctx, seller, id).await)
    }

    async fn approve(&self, id: ListingId) -> Result<Review> {
        act!(self, |tx, ctx| catalog::approve(tx, ctx, &Edition::defaults(EditionKind::Cn), id).await)
    }

    /// Submits the draft and approves it.
    async fn release(&self, id: ProductId) -> SellerProduct {
        let listing = self.submit(id).await.unwrap().summary.last_listing.unwrap().id;
        self.approve(listing).await.unwrap();
        self.own(id).await
    }

    async fn published(&self, zh: &str, en: &str) -> SellerProduct {
        let product = self.create(self.content(zh, en)).await;
        self.release(product.summary.id).await
    }

    async fn own(&self, id: ProductId) -> SellerProduct {
        let seller = self.seller;
        self.test.market.db().read(async move |tx| catalog::get_of_seller(tx, seller, id).await).await.unwrap()
    }

    async fn view(&self, viewer: Option<AccountId>, id: ProductId) -> Result<ProductView> {
        self.test.market.db().read(async move |tx| catalog::view(tx, viewer, id).await).await
    }

    async fn offer(&self, sku: SkuId, unit: PriceUnit, purpose: Purpose) -> Result<Offer> {
        self.test.market.db().read(async move |tx| catalog::offer(tx, sku, unit, purpose).await).await
    }

    async fn listed(&self, query: Option<&'static str>) -> Vec<ProductId> {
        let read = async move |tx: &mut Tx| catalog::list_on_sale(tx, query, &PageRequest::default()).await;
        self.test.market.db().read(read).await.unwrap().items.into_iter().map(|card| card.id).collect()
    }

    async fn in_use(&self, address: AddressId) -> bool {
        self.test.market.db().read(async move |tx| catalog::address_in_use(tx, address).await).await.unwrap()
    }

    async fn actions(&self) -> Vec<String> {
        let page = PageRequest { limit: 200, ..PageRequest::default() };
        let read = async move |tx: &mut Tx| audit::search(tx, None, &page).await;
        self.test.market.db().read(read).await.unwrap().items.into_iter().rev().map(|e| e.action).collect()
    }
}

fn first_sku(product: &SellerProduct) -> SkuId {
    product.editions[0].skus[0].id
}

#[tokio::test]
async fn a_product_goes_from_draft_over_review_to_sale() {
    let mut shop = Shop::open().await;
    let product = shop.create(shop.content("云笔记", "Cloud Notes")).await;
    let id = product.summary.id;
    assert_eq!((product.summary.state, product.summary.version), (ProductState::Draft, 1));
    assert!(product.editions.is_empty() && product.content.is_none() && product.missing.is_empty());
    assert_eq!(code(shop.view(Some(shop.seller), id).await), Code::NotFound);

    shop.now += 1;
    let submitted = shop.submit(id).await.unwrap();
    let listing = submitted.summary.last_listing.unwrap();
    assert_eq!((listing.state, listing.revision), (ListingState::UnderReview, 1));
    assert_eq!(refusal(shop.submit(id).await), "product-state state=under_review");
    shop.now += 2 * DAY_MS;
    let ctx = shop.ctx();
    let queue = shop.test.market.db().read(async move |tx| catalog::review_queue(tx, &ctx, &PageRequest::default()).await).await.unwrap();
    let [item] = &queue.items[..] else { panic!("{queue:?}") };
    assert_eq!((item.id, item.age_ms, item.kind), (listing.id, 2 * DAY_MS, SubmissionKind::New));
    assert_eq!(item.names.en, "Cloud Notes");

    let review = shop.approve(listing.id).await.unwrap();
    assert_eq!((review.state, review.item.age_ms, review.decided_at), (ListingState::Approved, 0, Some(shop.now)));
    assert_eq!(code(shop.approve(listing.id).await), Code::ReviewDecided);
    let view = shop.view(None, id).await.unwrap();
    assert_eq!((view.state, view.published_at), (ProductState::OnSale, Some(shop.now)));
    assert_eq!(view.editions.iter().map(|e| e.skus.len()).collect::<Vec<_>>(), [1, 2]);
    assert!(view.editions.iter().all(|e| e.address_id.is_none()), "buyers see no production address");
    // From 99.00 a month for one, at least five.
    let from = view.price_from.clone().unwrap();
    assert_eq!((from.unit, from.price.to_string()), (PriceUnit::Month, "495.00 CNY".to_owned()));
    let own = shop.own(id).await;
    assert_eq!(own.content.as_ref(), Some(&own.draft));
    assert_eq!(own.editions[0].id, own.draft.editions[0].id.unwrap(), "the draft names what is published");
    assert_eq!(own.editions[1].address_id, Some(shop.address));

    let read = async move |tx: &mut Tx| catalog::list_on_sale(tx, Some("notes"), &PageRequest::default()).await;
    let cards = shop.test.market.db().read(read).await.unwrap().items;
    assert_eq!((cards.len(), cards[0].id, &cards[0].price_from), (1, id, &Some(from)));
    let seller = shop.seller;
    let inbox = async move |tx: &mut Tx| notices::inbox(tx, seller, &PageRequest::default()).await;
    let notice = shop.test.market.db().read(inbox).await.unwrap().items.remove(0);
    assert_eq!((notice.kind, notice.args["decision"].as_str()), (NoticeKind::ReviewDecided, Some("approved")));
    assert_eq!(shop.actions().await, ["catalog.created", "catalog.submitted", "catalog.approved"]);
}

#[tokio::test]
async fn an_offer_carries_all_that_an_order_copies() {
    let shop = Shop::open().await;
    let product = shop.published("云笔记", "Cloud Notes").await;
    let sku = product.editions[1].skus[0].id;
    let offer = shop.offer(sku, PriceUnit::Year, Purpose::Purchase).await.unwrap();
    assert_eq!((offer.item.product_id, offer.seller_id, offer.item.edition_id), (product.summary.id, shop.seller, product.editions[1].id));
    assert_eq!((offer.item.sku_id, offer.item.address_id, offer.state), (sku, shop.address, ProductState::OnSale));
    assert_eq!(offer.item.names.wire(), "云笔记,专业版,基础");
    assert_eq!((offer.unit, offer.unit_price.to_string()), (PriceUnit::Year, "1990.00 CNY".to_owned()));
    assert_eq!((offer.item.charging_mode, offer.refund_rule), (ChargingMode::Period, RefundRule::NoReason));
    assert_eq!((offer.quantity.min, offer.quantity.max, offer.quantity.step), (5, 500, 5));
    let month = product.editions[1].skus[0].prices.iter().find(|p| p.unit == PriceUnit::Month).unwrap();
    assert_eq!(shop.offer(sku, PriceUnit::Month, Purpose::Renewal).await.unwrap().item.price_id, month.id);
    assert_eq!(code(shop.offer(sku, PriceUnit::Once, Purpose::Purchase).await), Code::PriceMissing);
    let unknown = SkuId::new(1, &Entropy::from_seed([99; 32]));
    assert_eq!(code(shop.offer(unknown, PriceUnit::Month, Purpose::Purchase).await), Code::NotFound);
}

#[tokio::test]
async fn a_price_line_of_an_offer_is_what_the_buyer_pays() {
    let shop = Shop::open().await;
    let product = shop.published("云笔记", "Cloud Notes").await;
    let offer = shop.offer(first_sku(&product), PriceUnit::Month, Purpose::Purchase).await.unwrap();
    let period = kernel::Period::new(kernel::PeriodUnit::Month, 3).unwrap();
    let line = market::pricing::price_line(&offer, 10, Some(period), shop.test.market.edition()).unwrap();
    assert_eq!(line.amount.to_string(), "2970.00 CNY");
}

#[tokio::test]
async fn an_unfinished_draft_is_not_submitted() {
    let shop = Shop::open().await;
    let mut content = shop.content("云笔记", "");
    content.overview = Texts::default();
    content.editions[0].address_id = None;
    content.editions[1].skus[1].prices.clear();
    let product = shop.create(content).await;
    let refused = refusal(shop.submit(product.summary.id).await);
    assert_eq!(refused, "product-incomplete missing=overview,editions.0.address_id,editions.1.skus.1.prices");
    assert_eq!(product.missing.join(","), "overview,editions.0.address_id,editions.1.skus.1.prices");
}

#[tokio::test]
async fn nobody_touches_the_products_and_addresses_of_others() {
    let shop = Shop::open().await;
    let (rival, address, now) = (shop.rival, shop.rivals_address, shop.now);
    let product = shop.published("云笔记", "Cloud Notes").await;
    let (id, edition, sku) = (product.summary.id, product.editions[0].id, first_sku(&product));
    let content = shop.content("偷来的", "");
    let theirs = content.clone();
    let created = act!(shop, |tx, ctx| catalog::create(tx, ctx, rival, theirs.clone()).await);
    assert_eq!(refusal(created), "field-invalid field=editions.0.address_id rule=unknown");
    let mut foreign = product.draft.clone();
    foreign.editions[1].address_id = Some(address);
    assert_eq!(refusal(shop.save(id, foreign).await), "field-invalid field=editions.1.address_id rule=unknown");
    let saved = act!(shop, |tx, ctx| catalog::update_draft(tx, ctx, rival, id, content.clone(), None).await);
    assert_eq!(code(saved), Code::NotFound);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::submit(tx, ctx, rival, id).await)), Code::NotFound);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::withdraw(tx, ctx, rival, id).await)), Code::NotFound);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::hide(tx, ctx, By::Seller(rival), id).await)), Code::NotFound);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::retire_product(tx, ctx, By::Seller(rival), id).await)), Code::NotFound);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::retire_edition(tx, ctx, By::Seller(rival), edition).await)), Code::NotFound);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::retire_sku(tx, ctx, By::Seller(rival), sku).await)), Code::NotFound);
    assert_eq!(code(act!(shop, |tx, _ctx| catalog::get_of_seller(tx, rival, id).await)), Code::NotFound);
    assert_eq!(shop.own(id).await, product);
    // Ids of another's product cannot be written into one's own either.
    let mut adopted = ProductContent { editions: vec![product.draft.editions[0].clone()], ..shop.content("我的", "") };
    adopted.editions[0].address_id = Some(address);
    let adopt = act!(shop, |tx, ctx| catalog::create(tx, ctx, rival, adopted.clone()).await);
    assert_eq!(refusal(adopt), "field-invalid field=editions.0.id rule=unknown");
    let stranger = AccountId::new(now, &Entropy::from_seed([77; 32]));
    let content = shop.content("云笔记", "");
    assert_eq!(code(act!(shop, |tx, ctx| catalog::create(tx, ctx, stranger, content.clone()).await)), Code::NotSeller);
}

#[tokio::test]
async fn a_stale_edit_is_refused() {
    let shop = Shop::open().await;
    let product = shop.create(shop.content("云笔记", "")).await;
    let (id, seller) = (product.summary.id, shop.seller);
    let draft = product.draft.clone();
    let first = draft.clone();
    let saved = act!(shop, |tx, ctx| catalog::update_draft(tx, ctx, seller, id, first.clone(), Some(1)).await).unwrap();
    assert_eq!(saved.summary.version, 2);
    assert_eq!(saved.draft, draft, "ids are kept");
    let again = act!(shop, |tx, ctx| catalog::update_draft(tx, ctx, seller, id, draft.clone(), Some(1)).await);
    assert_eq!(code(again), Code::VersionStale);
}

#[tokio::test]
async fn a_rejected_product_is_changed_and_submitted_again() {
    let mut shop = Shop::open().await;
    let product = shop.create(shop.content("云笔记", "Cloud Notes")).await;
    let id = product.summary.id;
    let listing = shop.submit(id).await.unwrap().summary.last_listing.unwrap().id;
    shop.now += 1;
    assert_eq!(code(act!(shop, |tx, ctx| catalog::reject(tx, ctx, listing, "  ").await)), Code::FieldInvalid);
    let review = act!(shop, |tx, ctx| catalog::reject(tx, ctx, listing, "the overview says nothing").await).unwrap();
    assert_eq!(review.state, ListingState::Rejected);
    assert_eq!(code(shop.approve(listing).await), Code::ReviewDecided);
    let own = shop.own(id).await;
    assert_eq!(own.summary.state, ProductState::Draft);
    assert_eq!(own.summary.last_listing.unwrap().reason.as_deref(), Some("the overview says nothing"));
    let mut better = own.draft;
    better.overview = Texts::new("随处记笔记", "Notes wherever you are");
    shop.save(id, better).await.unwrap();
    shop.now += 1;
    shop.release(id).await;
    assert_eq!(shop.view(None, id).await.unwrap().overview.en, "Notes wherever you are");
}

#[tokio::test]
async fn what_was_reviewed_is_what_is_published() {
    let mut shop = Shop::open().await;
    let product = shop.create(shop.content("云笔记", "Cloud Notes")).await;
    let id = product.summary.id;
    let listing = shop.submit(id).await.unwrap().summary.last_listing.unwrap().id;
    let mut later = product.draft.clone();
    later.names = Texts::new("改名", "Renamed");
    later.editions[0].skus[0].prices[0].amount_minor = 1;
    shop.save(id, later).await.unwrap();
    shop.approve(listing).await.unwrap();
    let view = shop.view(None, id).await.unwrap();
    assert_eq!((view.names.en.as_str(), view.editions[0].skus[0].prices[0].price.minor), ("Cloud Notes", 9_900));
    let own = shop.own(id).await;
    assert_eq!((own.summary.names.en.as_str(), own.draft.names.en.as_str()), ("Cloud Notes", "Renamed"));
    // And a withdrawn submission is never published.
    shop.now += 1;
    let listing = shop.submit(id).await.unwrap().summary.last_listing.unwrap().id;
    let seller = shop.seller;
    let withdrawn = act!(shop, |tx, ctx| catalog::withdraw(tx, ctx, seller, id).await).unwrap();
    assert_eq!(withdrawn.summary.last_listing.unwrap().state, ListingState::Withdrawn);
    assert_eq!(code(shop.approve(listing).await), Code::ReviewDecided);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::withdraw(tx, ctx, seller, id).await)), Code::ReviewDecided);
    assert_eq!(shop.view(None, id).await.unwrap().names.en, "Cloud Notes");
}

#[tokio::test]
async fn a_revision_changes_prices_and_texts_for_new_orders() {
    let mut shop = Shop::open().await;
    let product = shop.published("云笔记", "Cloud Notes").await;
    let (id, sku) = (product.summary.id, first_sku(&product));
    let old = shop.offer(sku, PriceUnit::Month, Purpose::Purchase).await.unwrap();
    let price_of = |p: &SellerProduct, unit| p.editions[1].skus[0].prices.iter().find(|x| x.unit == unit).map(|x| x.id);
    let yearly: Option<PriceId> = price_of(&product, PriceUnit::Year);

    let mut draft = product.draft.clone();
    draft.names = Texts::new("云笔记", "Cloud Notes 2");
    draft.editions[0].skus[0].prices[0].amount_minor = 12_000;
    draft.editions[0].skus.push(shop.sku("高级", 49_900));
    draft.editions[1].skus[0].prices.remove(1);
    draft.editions.swap(0, 1);
    shop.save(id, draft).await.unwrap();
    assert_eq!(shop.offer(sku, PriceUnit::Month, Purpose::Purchase).await.unwrap(), old, "a draft changes nothing that is sold");
    shop.now += 1;
    let revised = shop.release(id).await;
    let new = shop.offer(sku, PriceUnit::Month, Purpose::Purchase).await.unwrap();
    assert_eq!((new.unit_price.minor, new.item.price_id), (12_000, old.item.price_id), "the price keeps its id");
    assert_eq!(new.item.names.product.en, "Cloud Notes 2");
    assert_eq!(revised.editions.iter().map(|e| e.skus.len()).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(revised.editions[1].id, product.editions[0].id, "the seller's order is kept");
    assert_eq!(revised.summary.published_at, product.summary.published_at);
    let without_year = revised.editions[0].skus[0].id;
    assert_eq!(code(shop.offer(without_year, PriceUnit::Year, Purpose::Renewal).await), Code::PriceMissing);

    // The year comes back under the id that sellers' servers know.
    let mut draft = revised.draft;
    draft.editions[0].skus[0].prices.push(PriceContent { unit: PriceUnit::Year, amount_minor: 200_000 });
    shop.save(id, draft).await.unwrap();
    shop.now += 1;
    shop.release(id).await;
    let back = shop.offer(without_year, PriceUnit::Year, Purpose::Renewal).await.unwrap();
    assert_eq!((Some(back.item.price_id), back.unit_price.minor), (yearly, 200_000));
}

#[tokio::test]
async fn what_is_published_does_not_vanish_from_a_revision() {
    let shop = Shop::open().await;
    let product = shop.published("云笔记", "").await;
    let (id, seller) = (product.summary.id, shop.seller);
    let mut fewer = product.draft.clone();
    let gone = fewer.editions[1].skus.remove(0).id.unwrap();
    shop.save(id, fewer).await.unwrap();
    assert_eq!(refusal(shop.submit(id).await), format!("field-invalid field=editions rule=kept id={gone}"));
    // Retired, it may.
    act!(shop, |tx, ctx| catalog::retire_sku(tx, ctx, By::Seller(seller), gone).await).unwrap();
    shop.submit(id).await.unwrap();
    // A published part can be named again although the draft has lost it, but not once it is retired.
    shop.save(id, product.draft).await.unwrap();
    let withdrawn = act!(shop, |tx, ctx| catalog::withdraw(tx, ctx, seller, id).await);
    assert!(withdrawn.is_ok());
    assert_eq!(refusal(shop.submit(id).await), "field-invalid field=editions.1.skus.0 rule=retired");
}

#[tokio::test]
async fn a_retired_sku_is_sold_no_more_and_the_last_takes_its_edition() {
    let mut shop = Shop::open().await;
    let product = shop.published("云笔记", "Cloud Notes").await;
    let (id, seller) = (product.summary.id, shop.seller);
    let [basic, high] = [0, 1].map(|i| product.editions[1].skus[i].id);
    // While a revision that still has both is under review.
    let listing = shop.submit(id).await.unwrap().summary.last_listing.unwrap().id;
    act!(shop, |tx, ctx| catalog::retire_sku(tx, ctx, By::Seller(seller), basic).await).unwrap();
    for purpose in Purpose::ALL {
        assert_eq!(code(shop.offer(basic, PriceUnit::Month, *purpose).await), Code::NotOnSale);
    }
    let again = act!(shop, |tx, ctx| catalog::retire_sku(tx, ctx, By::Seller(seller), basic).await);
    assert_eq!(code(again), Code::NotOnSale);
    shop.now += 1;
    shop.approve(listing).await.unwrap();
    let own = shop.own(id).await;
    assert_eq!(own.editions[1].skus.iter().map(|s| s.state).collect::<Vec<_>>(), [PartState::Retired, PartState::Active]);
    assert_eq!((own.draft.editions[1].skus.len(), own.content.unwrap().editions[1].skus.len()), (1, 1));
    assert_eq!(shop.view(None, id).await.unwrap().editions[1].skus.len(), 1);

    act!(shop, |tx, ctx| catalog::retire_sku(tx, ctx, By::Operator, high).await).unwrap();
    let own = shop.own(id).await;
    assert_eq!(own.editions[1].state, PartState::Retired);
    assert_eq!(own.draft.editions.len(), 1);
    assert_eq!(shop.view(None, id).await.unwrap().editions.len(), 1);
    assert!(shop.offer(first_sku(&own), PriceUnit::Month, Purpose::Purchase).await.is_ok(), "others are not affected");

    // After the last edition there is nothing to list and nothing to add to.
    let last = own.editions[0].id;
    act!(shop, |tx, ctx| catalog::retire_edition(tx, ctx, By::Seller(seller), last).await).unwrap();
    assert_eq!(shop.listed(None).await, []);
    assert_eq!(shop.view(None, id).await.unwrap().price_from, None);
    let mut draft = shop.own(id).await.draft;
    draft.editions.push(shop.edition("新版", vec![shop.sku("基础", 100)]));
    shop.save(id, draft).await.unwrap();
    assert_eq!(refusal(shop.submit(id).await), "product-state state=all-editions-retired");
}

#[tokio::test]
async fn a_hidden_product_is_bought_by_its_address_only() {
    let shop = Shop::open().await;
    let product = shop.published("云笔记", "Cloud Notes").await;
    let (id, seller, sku) = (product.summary.id, shop.seller, first_sku(&product));
    let hidden = act!(shop, |tx, ctx| catalog::hide(tx, ctx, By::Seller(seller), id).await).unwrap();
    assert_eq!(hidden, ProductState::Hidden);
    assert_eq!(shop.listed(None).await, []);
    assert_eq!(shop.view(None, id).await.unwrap().state, ProductState::Hidden);
    assert_eq!(shop.offer(sku, PriceUnit::Month, Purpose::Purchase).await.unwrap().state, ProductState::Hidden);
    // A revision does not put it back into the lists.
    shop.release(id).await;
    assert_eq!(shop.listed(None).await, []);
    act!(shop, |tx, ctx| catalog::show(tx, ctx, By::Seller(seller), id).await).unwrap();
    assert_eq!(shop.listed(None).await, [id]);
    // What the operator hides, only the operator shows.
    act!(shop, |tx, ctx| catalog::hide(tx, ctx, By::Operator, id).await).unwrap();
    assert_eq!(shop.own(id).await.summary.hidden_by, Some(Side::Operator));
    let shown = act!(shop, |tx, ctx| catalog::show(tx, ctx, By::Seller(seller), id).await);
    assert_eq!(refusal(shown), "product-state state=hidden");
    act!(shop, |tx, ctx| catalog::show(tx, ctx, By::Operator, id).await).unwrap();
    assert_eq!(shop.listed(None).await, [id]);
}

#[tokio::test]
async fn a_retired_product_does_not_come_back() {
    let shop = Shop::open().await;
    let product = shop.published("云笔记", "Cloud Notes").await;
    let (id, seller, sku) = (product.summary.id, shop.seller, first_sku(&product));
    let listing = shop.submit(id).await.unwrap().summary.last_listing.unwrap().id;
    act!(shop, |tx, ctx| catalog::retire_product(tx, ctx, By::Operator, id).await).unwrap();
    for purpose in Purpose::ALL {
        assert_eq!(code(shop.offer(sku, PriceUnit::Month, *purpose).await), Code::NotOnSale);
    }
    assert_eq!(shop.listed(None).await, []);
    assert_eq!(code(shop.view(None, id).await), Code::NotFound);
    assert_eq!(code(shop.view(Some(shop.rival), id).await), Code::NotFound);
    assert_eq!(shop.view(Some(seller), id).await.unwrap().state, ProductState::Retired);
    assert_eq!(code(shop.approve(listing).await), Code::ReviewDecided, "its submission fell with it");
    let own = shop.own(id).await;
    assert_eq!(own.retired_at, Some(shop.now));
    assert_eq!(refusal(shop.submit(id).await), "product-state state=retired");
    assert_eq!(code(shop.save(id, own.draft).await), Code::ProductState);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::show(tx, ctx, By::Seller(seller), id).await)), Code::ProductState);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::retire_product(tx, ctx, By::Seller(seller), id).await)), Code::ProductState);
    assert_eq!(code(act!(shop, |tx, ctx| catalog::retire_sku(tx, ctx, By::Seller(seller), sku).await)), Code::ProductState);
}

#[tokio::test]
async fn a_search_finds_part_of_a_name_in_any_case_and_no_wildcards() {
    let mut shop = Shop::open().await;
    let mut ids = Vec::new();
    for (zh, en) in [("云笔记", "Cloud Notes"), ("工程设计", "ÉTUDE Design"), ("百分百", "100%_Sure!")] {
        shop.now += 1;
        ids.push(shop.published(zh, en).await.summary.id);
    }
    let cases: [(Option<&'static str>, Vec<ProductId>); 10] = [
        (None, vec![ids[2], ids[1], ids[0]]),
        (Some("  "), vec![ids[2], ids[1], ids[0]]),
        (Some("CLOUD"), vec![ids[0]]),
        (Some("笔记"), vec![ids[0]]),
        (Some("étude"), vec![ids[1]]),
        (Some("es"), vec![ids[1], ids[0]]),
        (Some("%_s"), vec![ids[2]]),
        (Some("e!"), vec![ids[2]]),
        (Some("_"), vec![ids[2]]),
        (Some("nothing"), vec![]),
    ];
    for (query, expected) in cases {
        assert_eq!(shop.listed(query).await, expected, "{query:?}");
    }
    let long = "x".repeat(101);
    assert_eq!(code(act!(shop, |tx, _ctx| catalog::list_on_sale(tx, Some(&long), &PageRequest::default()).await)), Code::FieldInvalid);
    // Page by page, newest first.
    let first = PageRequest { limit: 2, ..PageRequest::default() };
    let page = shop.test.market.db().read(async move |tx| catalog::list_on_sale(tx, None, &first).await).await.unwrap();
    assert_eq!(page.items.iter().map(|c| c.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
    assert!(page.items.iter().all(|c| c.price_from.as_ref().is_some_and(|p| p.price.minor == 49_500)));
    let second = PageRequest { after: page.next.unwrap(), limit: 2 };
    let page = shop.test.market.db().read(async move |tx| catalog::list_on_sale(tx, None, &second).await).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].id, page.next), (1, ids[0], None));
}

#[tokio::test]
async fn lists_show_a_seller_their_own_and_the_operator_all() {
    let mut shop = Shop::open().await;
    let draft = shop.create(shop.content("草稿", "")).await.summary.id;
    shop.now += 1;
    let on_sale = shop.published("云笔记", "").await.summary.id;
    let (seller, rival) = (shop.seller, shop.rival);
    let db = shop.test.market.db();
    let of = async |account, state| {
        let read = async move |tx: &mut Tx| catalog::list_of_seller(tx, account, state, &PageRequest::default()).await;
        db.read(read).await.unwrap().items
    };
    let mine = of(seller, None).await;
    assert_eq!(mine.iter().map(|p| (p.id, p.last_listing.is_some())).collect::<Vec<_>>(), [(on_sale, true), (draft, false)]);
    assert_eq!(of(seller, Some(ProductState::Draft)).await.len(), 1);
    assert_eq!(of(rival, None).await, []);
    let all = db.read(async move |tx| catalog::list_all(tx, Some(ProductState::OnSale), &PageRequest::default()).await).await.unwrap();
    assert_eq!(all.items.iter().map(|p| p.id).collect::<Vec<_>>(), [on_sale]);

    assert!(act!(shop, |tx, ctx| catalog::flag(tx, ctx, on_sale).await).unwrap());
    assert!(!act!(shop, |tx, ctx| catalog::flag(tx, ctx, on_sale).await).unwrap(), "only the first time counts");
    let flagged = db.read(async move |tx| catalog::list_flagged(tx, &PageRequest::default()).await).await.unwrap();
    assert_eq!(flagged.items.iter().map(|p| (p.id, p.flagged_at)).collect::<Vec<_>>(), [(on_sale, Some(shop.now))]);
}

#[tokio::test]
async fn an_address_is_in_use_while_something_sold_or_submitted_calls_it() {
    let shop = Shop::open().await;
    let (address, seller) = (shop.address, shop.seller);
    let product = shop.create(shop.content("云笔记", "")).await;
    let id = product.summary.id;
    assert!(!shop.in_use(address).await, "a draft does not hold an address");
    let listing = shop.submit(id).await.unwrap().summary.last_listing.unwrap().id;
    assert!(shop.in_use(address).await);
    assert!(!shop.in_use(shop.rivals_address).await);
    // An address that went meanwhile is noticed at the approval, and nothing is published.
    act!(shop, |tx, _ctx| retire_address(tx, address).await).unwrap();
    assert_eq!(refusal(shop.approve(listing).await), "field-invalid field=editions.0.address_id rule=unknown");
    let own = shop.own(id).await;
    assert_eq!((own.summary.state, own.editions.len()), (ProductState::Draft, 0));
    assert_eq!(own.summary.last_listing.unwrap().state, ListingState::UnderReview);

    let other = Shop::open().await;
    let product = other.published("云笔记", "").await;
    assert!(other.in_use(other.address).await);
    let id = product.summary.id;
    act!(other, |tx, ctx| catalog::retire_product(tx, ctx, By::Seller(seller), id).await).unwrap();
    assert!(!other.in_use(other.address).await);
}

#[tokio::test]
async fn a_first_publication_is_new_and_stays_so_though_the_clock_stands() {
    let shop = Shop::open().await;
    let id = shop.create(shop.content("云笔记", "Cloud Notes")).await.summary.id;
    let submit = async || shop.submit(id).await.unwrap().summary.last_listing.unwrap().id;
    let rejected = submit().await;
    let kind = act!(shop, |tx, ctx| catalog::reject(tx, ctx, rejected, "too short").await).unwrap().item.kind;
    assert_eq!(kind, SubmissionKind::New);
    let first = submit().await;
    assert_eq!(shop.approve(first).await.unwrap().item.kind, SubmissionKind::New);
    let second = submit().await;
    assert_eq!(shop.approve(second).await.unwrap().item.kind, SubmissionKind::Change);
    let again = act!(shop, |tx, ctx| catalog::review(tx, ctx, first).await).unwrap();
    assert_eq!(again.item.kind, SubmissionKind::New, "what it was then");
}

#[tokio::test]
async fn a_one_time_edition_is_sold_once() {
    let shop = Shop::open().await;
    let mut content = shop.content("工具箱", "");
    content.editions.truncate(1);
    let edition = &mut content.editions[0];
    edition.charging_mode = ChargingMode::OneTime;
    edition.refund_rule = RefundRule::None;
    edition.skus[0].quantity = QuantityRule::one();
    edition.skus[0].prices = vec![PriceContent { unit: PriceUnit::Once, amount_minor: 120_000 }];
    let product = shop.create(content).await;
    let product = shop.release(product.summary.id).await;
    let sku = first_sku(&product);
    let offer = shop.offer(sku, PriceUnit::Once, Purpose::Purchase).await.unwrap();
    assert_eq!((offer.item.charging_mode, offer.refund_rule), (ChargingMode::OneTime, RefundRule::None));
    assert_eq!(code(shop.offer(sku, PriceUnit::Month, Purpose::Purchase).await), Code::PriceMissing);
    let from = shop.view(None, product.summary.id).await.unwrap().price_from.unwrap();
    assert_eq!((from.unit, from.price.minor), (PriceUnit::Once, 120_000));
}
