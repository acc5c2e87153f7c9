//! The monthly run on a real database: what is billed, what it costs, what is carried, what is paid, and what was tampered with.

use db::Db;
use kernel::{AccountId, Code, Currency, DAY_MS, Entropy, HOUR_MS, Money, Month, ProductId, Rate, Zone};
use market::edition::{Edition, EditionKind, FeeStep};
use market::ledger::{self, Book, EntryKind, NewDeposit, Posting};
use market::notices::{self, NoticeKind};
use market::page::PageRequest;
use market::settlement::{self, ItemKind, ItemState, SaleItem, Statement, StatementLine, StatementState};

use crate::support::TestMarket;

const CNY: Currency = Currency::CNY;
/// 10 000 yuan in minor units: the unit of the fee table.
const TEN_THOUSAND: i64 = 1_000_000;
/// The fee of common products.
const COMMON_BP: i64 = 500;

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

/// `hour` of `day` of a month in Shanghai.
fn moment(of: &str, day: i64, hour: i64) -> i64 {
    month(of).start_at(&Zone::shanghai()) + (day - 1) * DAY_MS + hour * HOUR_MS
}

/// When the run of `of` is due: the 3rd of the month after at 02:00, or the next working day.
fn run_day(of: &str) -> i64 {
    settlement::run_at(&Edition::defaults(EditionKind::Cn), month(of))
}

/// One seller with products, and a buyer with money.
struct Shop {
    test: TestMarket,
    seller: AccountId,
    buyer: AccountId,
    product: ProductId,
}

/// A sold line.
#[derive(Clone, Copy)]
struct Sold<'a> {
    line: &'a str,
    minor: i64,
    product: ProductId,
    fee_bp: i64,
    fee_steps: &'a [FeeStep],
    paid_at: i64,
    effective_at: i64,
    guaranteed_until: i64,
}

impl Shop {
    async fn new() -> Self {
        let test = TestMarket::new().await;
        let entropy = Entropy::from_seed([3; 32]);
        let (seller, buyer, product) = (AccountId::new(1, &entropy), AccountId::new(2, &entropy), ProductId::new(3, &entropy));
        let shop = Self { test, seller, buyer, product };
        let (market, ctx) = (shop.test.market.clone(), shop.test.ctx(moment("202512", 1, 0)));
        let amount = Money::new(10_000 * TEN_THOUSAND, CNY);
        let money = NewDeposit { account_id: buyer, amount, bank_reference: "ICBC-0".to_owned(), note: String::new() };
        shop.db().write(async move |tx| ledger::record_deposit(tx, &ctx, market.edition(), &money).await).await.unwrap();
        shop
    }

    fn db(&self) -> &Db {
        self.test.market.db()
    }

    /// Another product of the same seller.
    fn other_product(&self) -> ProductId {
        ProductId::new(4, &Entropy::from_seed([4; 32]))
    }

    /// A line of the common product, paid and in effect at `at`, returnable for five days.
    fn line<'a>(&'a self, line: &'a str, minor: i64, at: i64) -> Sold<'a> {
        let fee_steps = &self.test.market.edition().fee_steps;
        Sold {
            line,
            minor,
            product: self.product,
            fee_bp: COMMON_BP,
            fee_steps,
            paid_at: at,
            effective_at: at,
            guaranteed_until: at + 5 * DAY_MS,
        }
    }

    async fn sells(&self, sold: Sold<'_>) {
        let ctx = self.test.ctx(sold.effective_at);
        let (seller, buyer, line) = (self.seller, self.buyer, sold.line.to_owned());
        let Sold { minor, product, fee_bp, paid_at, effective_at, guaranteed_until, .. } = sold;
        let fee_steps = sold.fee_steps.to_vec();
        self.db()
            .write(async move |tx| {
                let held = || Book::Held(line.clone());
                ledger::post(tx, &ctx, EntryKind::Payment, &line, CNY, &[Posting::new(Book::Buyer(buyer), held(), minor)]).await?;
                ledger::post(tx, &ctx, EntryKind::Sale, &line, CNY, &[Posting::new(held(), Book::SellerPending(seller), minor)]).await?;
                let sale = SaleItem {
                    seller_id: seller,
                    product_id: product,
                    order_number: &line,
                    line_number: &line,
                    amount: Money::new(minor, CNY),
                    fee: Rate::bp(fee_bp),
                    fee_steps: &fee_steps,
                    paid_at,
                    effective_at,
                    guaranteed_until,
                };
                settlement::record_sale(tx, &ctx, &sale).await
            })
            .await
            .unwrap();
    }

    async fn refunds(&self, line: &str, minor: i64, at: i64) -> db::Result<()> {
        let ctx = self.test.ctx(at);
        let (seller, buyer, line) = (self.seller, self.buyer, line.to_owned());
        self.db()
            .write(async move |tx| {
                let order = format!("R-{line}");
                let way = || Book::Refund(order.clone());
                let postings = [Posting::new(Book::SellerPending(seller), way(), minor), Posting::new(way(), Book::Buyer(buyer), minor)];
                ledger::post(tx, &ctx, EntryKind::Refund, &order, CNY, &postings).await?;
                settlement::record_refund(tx, &ctx, &line, &order, &order).await
            })
            .await
    }

    async fn runs(&self, of: &str, at: i64) -> db::Result<Option<Statement>> {
        let (market, ctx, seller, of) = (self.test.market.clone(), self.test.ctx(at), self.seller, month(of));
        self.db().write(async move |tx| settlement::run_seller(tx, &ctx, market.edition(), seller, of).await).await
    }

    /// The run of a site whose numbers were changed since.
    async fn settles_under(&self, edition: Edition, of: &str) -> Statement {
        let (ctx, seller, of_month) = (self.test.ctx(run_day(of)), self.seller, month(of));
        let made = self.db().write(async move |tx| settlement::run_seller(tx, &ctx, &edition, seller, of_month).await).await;
        made.unwrap().unwrap()
    }

    async fn settles(&self, of: &str) -> Statement {
        self.runs(of, run_day(of)).await.unwrap().unwrap()
    }

    async fn lines(&self, statement: &Statement) -> Vec<StatementLine> {
        let id = statement.id;
        let page = PageRequest { limit: 200, ..PageRequest::default() };
        self.db().read(async move |tx| settlement::lines(tx, id, &page).await).await.unwrap().items
    }

    async fn pays_out(&self, statement: &Statement, reference: &str, at: i64) -> db::Result<Statement> {
        let (ctx, id, reference) = (self.test.ctx(at), statement.id, reference.to_owned());
        self.db().write(async move |tx| settlement::record_payout(tx, &ctx, id, &reference).await).await
    }

    async fn balance(&self, book: Book) -> i64 {
        self.db().read(async move |tx| ledger::balance(tx, &book, CNY).await).await.unwrap()
    }

    async fn items(&self, state: Option<ItemState>) -> Vec<(ItemKind, ItemState, String)> {
        let seller = self.seller;
        let page = PageRequest::default();
        let items = self.db().read(async move |tx| settlement::items(tx, seller, state, &page).await).await.unwrap().items;
        items.into_iter().map(|item| (item.kind, item.state, item.line_number)).collect()
    }

    async fn damage(&self, text: &str) {
        self.test.is_not_reckoned();
        let text = text.to_owned();
        self.db().write(async move |tx| tx.run_text(&text).await).await.unwrap();
    }

    async fn verified(&self) {
        let statements = settlement::verify_statements(self.db(), |_| ()).await.unwrap();
        assert_eq!(statements.problems, []);
        assert_eq!(ledger::verify(self.db(), |_| ()).await.unwrap().problems, []);
        let seller = self.seller;
        let look = async move |tx: &mut db::Tx| {
            let books = [Book::SellerPending(seller), Book::SellerPayable(seller)];
            let books = (ledger::balance(tx, &books[0], CNY).await?, ledger::balance(tx, &books[1], CNY).await?);
            Ok((settlement::standing(tx, seller, CNY).await?, books))
        };
        let ((pending, payable), books) = self.db().read(look).await.unwrap();
        assert_eq!((pending.minor, payable.minor), books, "what stands open is what the ledger folds");
    }
}

#[tokio::test]
async fn the_worked_example_of_the_fee_table() {
    let shop = Shop::new().await;
    let at = moment("202601", 10, 10);
    for (line, part) in [("CS1", 100), ("CS2", 50)] {
        shop.sells(shop.line(line, part * TEN_THOUSAND, at)).await;
    }
    let statement = shop.settles("202601").await;
    // 150 → 150 × (95 % + 2 %) = 145.5 (spec: business §7.4).
    assert_eq!(statement.payable_minor, 1_455 * TEN_THOUSAND / 10);
    assert_eq!((statement.sales_minor, statement.refunds_minor), (150 * TEN_THOUSAND, 0));
    assert_eq!(statement.fee_minor, 45 * TEN_THOUSAND / 10);
    assert_eq!((statement.state, statement.carried_out_minor, statement.line_count), (StatementState::Payable, 0, 2));
    // 45 000.00 with 6 % inside holds 2 547.17 of tax.
    assert_eq!((statement.fee_tax_minor, statement.fee_tax_bp), (254_717, 600));
    let lines = shop.lines(&statement).await;
    assert!(lines.iter().all(|line| (line.fee_bp, line.reduction_bp) == (500, 200)), "{lines:?}");

    assert_eq!(shop.balance(Book::SellerPending(shop.seller)).await, 0);
    assert_eq!(shop.balance(Book::SellerPayable(shop.seller)).await, statement.payable_minor);
    assert_eq!(shop.balance(Book::Tax).await, statement.fee_tax_minor);
    assert_eq!(shop.balance(Book::PlatformFee).await, statement.fee_minor - statement.fee_tax_minor);
    shop.verified().await;
}

#[tokio::test]
async fn the_reduction_begins_exactly_at_fifty_and_at_a_hundred() {
    for (sold, reduction_bp) in
        [(50 * TEN_THOUSAND - 1, 0), (50 * TEN_THOUSAND, 100), (100 * TEN_THOUSAND - 1, 100), (100 * TEN_THOUSAND, 200)]
    {
        let shop = Shop::new().await;
        shop.sells(shop.line("CS1", sold, moment("202601", 10, 10))).await;
        let statement = shop.settles("202601").await;
        assert_eq!(shop.lines(&statement).await[0].reduction_bp, reduction_bp, "{sold}");
        let fee = Money::new(sold, CNY).part(Rate::bp(COMMON_BP - reduction_bp)).unwrap();
        assert_eq!(statement.fee_minor, fee.minor);
    }
}

#[tokio::test]
async fn the_volume_counts_by_product_and_by_the_month_of_payment() {
    let shop = Shop::new().await;
    let half = 25 * TEN_THOUSAND;
    shop.sells(shop.line("CS1", half, moment("202601", 2, 0))).await;
    shop.sells(shop.line("CS2", half, moment("202601", 3, 0))).await;
    // The same month, but another product; and one at a negotiated rate, to which no reduction belongs.
    shop.sells(Sold { product: shop.other_product(), ..shop.line("CS3", half, moment("202601", 4, 0)) }).await;
    shop.sells(Sold { fee_bp: 1_500, fee_steps: &[], ..shop.line("CS4", half, moment("202601", 5, 0)) }).await;
    // Paid in December: counts there, whenever it takes effect.
    shop.sells(Sold { paid_at: moment("202512", 31, 23), ..shop.line("CS5", half, moment("202601", 6, 0)) }).await;
    let statement = shop.settles("202601").await;
    let found: Vec<_> = shop.lines(&statement).await.into_iter().map(|line| (line.line_number, line.reduction_bp)).collect();
    let expected = [("CS1", 100), ("CS2", 100), ("CS3", 0), ("CS4", 0), ("CS5", 0)];
    assert_eq!(found, expected.map(|(line, bp)| (line.to_owned(), bp)));
    shop.verified().await;
}

#[tokio::test]
async fn old_sales_keep_the_fee_policy_they_were_placed_under() {
    let shop = Shop::new().await;
    shop.sells(shop.line("CS1", 100 * TEN_THOUSAND, moment("202601", 10, 10))).await;
    // The fee and its reductions were changed before the run; one line was placed after that.
    let changed = Edition {
        fee_common: Rate::bp(600),
        fee_steps: vec![FeeStep { from_minor: 1, reduction: Rate::bp(300) }],
        ..Edition::defaults(EditionKind::Cn)
    };
    let new = Sold { fee_bp: 600, fee_steps: &changed.fee_steps, ..shop.line("CS2", TEN_THOUSAND, moment("202601", 20, 10)) };
    shop.sells(new).await;
    let statement = shop.settles_under(changed.clone(), "202601").await;
    let found: Vec<_> = shop.lines(&statement).await.into_iter().map(|line| (line.fee_bp, line.reduction_bp)).collect();
    assert_eq!(found, [(500, 200), (600, 300)]);
    shop.verified().await;
}

#[tokio::test]
async fn a_line_is_billed_when_it_is_in_effect_and_cannot_be_returned_any_more() {
    let shop = Shop::new().await;
    let big = TEN_THOUSAND;
    shop.sells(shop.line("CS1", big, moment("202601", 31, 23))).await;
    // Effective on 1 February: belongs to the run of March (spec: business §7.2).
    shop.sells(Sold { paid_at: moment("202601", 31, 10), ..shop.line("CS2", big, moment("202602", 1, 0)) }).await;
    shop.sells(Sold { guaranteed_until: moment("202602", 3, 2), ..shop.line("CS3", big, moment("202601", 29, 0)) }).await;
    shop.sells(Sold { guaranteed_until: moment("202602", 3, 3), ..shop.line("CS4", big, moment("202601", 29, 0)) }).await;
    // The five days of the first line end on 5 February.
    let january = shop.settles("202601").await;
    let lines =
        async |statement: &Statement| -> Vec<String> { shop.lines(statement).await.into_iter().map(|line| line.line_number).collect() };
    assert_eq!(lines(&january).await, ["CS3"]);
    assert_eq!(shop.items(Some(ItemState::Open)).await.len(), 3);
    let february = shop.settles("202602").await;
    assert_eq!(lines(&february).await, ["CS4", "CS1", "CS2"]);
    assert_eq!(shop.items(Some(ItemState::Open)).await, []);
    shop.verified().await;
}

#[tokio::test]
async fn the_run_does_not_come_early_and_a_late_one_is_the_same() {
    let shop = Shop::new().await;
    shop.sells(shop.line("CS1", TEN_THOUSAND, moment("202601", 10, 10))).await;
    let early = shop.runs("202601", run_day("202601") - 1).await.unwrap_err();
    let db::Error::Refused(refusal) = early else { panic!("{early:?}") };
    assert_eq!((refusal.code, refusal.args), (Code::SettlementTooEarly, vec![("earliest", "2026-02-03 02:00".to_owned())]));
    assert_eq!(run_day("202601"), moment("202602", 3, 2));
    assert_eq!(run_day("202512"), moment("202601", 5, 2), "3 January 2026 is a Saturday");
    // 40 days late. What took effect in between is not January's.
    shop.sells(shop.line("CS2", TEN_THOUSAND, moment("202602", 20, 10))).await;
    let late = shop.runs("202601", run_day("202601") + 40 * DAY_MS).await.unwrap().unwrap();
    assert_eq!((late.period.to_string().as_str(), late.line_count, late.payable_minor), ("202601", 1, 950_000));
    shop.verified().await;
}

#[tokio::test]
async fn running_again_changes_nothing() {
    let shop = Shop::new().await;
    assert_eq!(shop.runs("202512", run_day("202512")).await.unwrap(), None, "a seller without sales has no statement");
    shop.sells(shop.line("CS1", TEN_THOUSAND, moment("202601", 10, 10))).await;
    let first = shop.settles("202601").await;
    // A line of January that arrives after its run goes into the next statement, not into the frozen one.
    shop.sells(shop.line("CS2", TEN_THOUSAND, moment("202601", 20, 10))).await;
    assert_eq!(shop.runs("202601", run_day("202601") + DAY_MS).await.unwrap(), Some(first.clone()));
    let second = shop.settles("202602").await;
    assert_eq!((second.line_count, second.sales_minor), (1, TEN_THOUSAND));
    // A month before the last statement has nothing of its own any more.
    shop.refunds("CS1", TEN_THOUSAND, run_day("202602") + 1).await.unwrap();
    assert_eq!(shop.runs("202512", run_day("202602") + DAY_MS).await.unwrap(), None);
    assert_eq!(shop.runs("202601", run_day("202602") + DAY_MS).await.unwrap(), Some(first));
    shop.verified().await;
}

#[tokio::test]
async fn a_month_is_run_for_every_seller_who_has_something() {
    let mut shop = Shop::new().await;
    shop.sells(shop.line("CS1", TEN_THOUSAND, moment("202601", 10, 10))).await;
    let first = shop.seller;
    shop.seller = AccountId::new(9, &Entropy::from_seed([9; 32]));
    shop.sells(shop.line("CS2", 2 * TEN_THOUSAND, moment("202601", 11, 10))).await;
    let ctx = shop.test.ctx(run_day("202601"));
    let market = &shop.test.market;
    settlement::run_month(market, &ctx, month("202601")).await.unwrap();
    let of_month = async |limit: i64, after: &str| {
        let page = PageRequest { after: after.to_owned(), limit };
        market.db().read(async move |tx| settlement::statements_of_month(tx, month("202601"), &page).await).await.unwrap()
    };
    let made = of_month(10, "").await.items;
    assert_eq!(
        made.iter().map(|s| (s.seller_id, s.sales_minor)).collect::<Vec<_>>(),
        [(first, TEN_THOUSAND), (shop.seller, 2 * TEN_THOUSAND)]
    );
    settlement::run_month(market, &ctx, month("202601")).await.unwrap();
    assert_eq!(of_month(10, "").await.items, made, "again changes nothing");
    let one = of_month(1, "").await;
    assert_eq!(one.items, made[..1]);
    assert_eq!(of_month(1, &one.next.unwrap()).await.items, made[1..], "page by page");
    let early = settlement::run_month(market, &ctx, month("202602")).await.unwrap_err();
    assert_eq!(early.code(), Some(Code::SettlementTooEarly));

    let (own, foreign) = (made[0].clone(), shop.seller);
    let page = PageRequest::default();
    let (all, of_first, payable, hidden) = shop
        .db()
        .read(async move |tx| {
            let all = settlement::statements(tx, None, None, &page).await?.items;
            let of_first = settlement::statements(tx, Some(first), Some(StatementState::Payable), &page).await?.items;
            let paid = settlement::statements(tx, None, Some(StatementState::Paid), &page).await?.items;
            Ok((all, of_first, paid, settlement::statement(tx, Some(foreign), own.id).await.unwrap_err().code()))
        })
        .await
        .unwrap();
    assert_eq!((all.len(), of_first, payable, hidden), (2, vec![made[0].clone()], vec![], Some(Code::NotFound)));
    shop.verified().await;
}

#[tokio::test]
async fn a_small_sum_is_carried_until_it_is_worth_a_transfer() {
    let shop = Shop::new().await;
    // 100.00 is the smallest payout.
    shop.sells(shop.line("CS1", 5_000, moment("202601", 10, 10))).await;
    let january = shop.settles("202601").await;
    assert_eq!((january.state, january.payable_minor, january.carried_out_minor), (StatementState::Carried, 0, 4_750));
    assert_eq!(shop.balance(Book::SellerPending(shop.seller)).await, 4_750);
    assert_eq!(shop.pays_out(&january, "BOC-1", run_day("202601")).await.unwrap_err().code(), Some(Code::StatementState));
    // Nothing new: no new statement says the same again.
    assert_eq!(shop.runs("202602", run_day("202602")).await.unwrap(), None);
    shop.sells(shop.line("CS2", 5_526, moment("202603", 10, 10))).await;
    let march = shop.settles("202603").await;
    assert_eq!((march.carried_in_minor, march.fee_minor, march.payable_minor), (4_750, 276, 10_000));
    assert_eq!((march.state, march.carried_out_minor), (StatementState::Payable, 0));
    assert_eq!(shop.balance(Book::SellerPending(shop.seller)).await, 0);
    shop.verified().await;
}

#[tokio::test]
async fn what_was_carried_is_paid_when_the_smallest_payout_is_lowered() {
    let shop = Shop::new().await;
    shop.sells(shop.line("CS1", 5_000, moment("202601", 10, 10))).await;
    shop.settles("202601").await;
    let mut edition = shop.test.market.edition().clone();
    edition.payout_min_minor = 4_000;
    let (ctx, seller) = (shop.test.ctx(run_day("202602")), shop.seller);
    let (sellers, statement) = shop
        .db()
        .write(async move |tx| {
            let sellers = settlement::sellers_to_settle(tx, &edition, month("202602")).await?;
            Ok((sellers, settlement::run_seller(tx, &ctx, &edition, seller, month("202602")).await?.unwrap()))
        })
        .await
        .unwrap();
    assert_eq!(sellers, [seller]);
    assert_eq!((statement.line_count, statement.carried_in_minor, statement.payable_minor), (0, 4_750, 4_750));
    shop.verified().await;
}

#[tokio::test]
async fn a_refund_before_billing_leaves_no_trace_in_the_statement() {
    let shop = Shop::new().await;
    // Together they would reach the first step; the returned one does not count.
    shop.sells(shop.line("CS1", 25 * TEN_THOUSAND, moment("202601", 10, 10))).await;
    shop.sells(shop.line("CS2", 25 * TEN_THOUSAND, moment("202601", 11, 10))).await;
    shop.refunds("CS2", 25 * TEN_THOUSAND, moment("202601", 12, 10)).await.unwrap();
    let statement = shop.settles("202601").await;
    let lines = shop.lines(&statement).await;
    assert_eq!(lines.iter().map(|l| (l.line_number.as_str(), l.reduction_bp)).collect::<Vec<_>>(), [("CS1", 0)]);
    assert_eq!((statement.sales_minor, statement.refunds_minor), (25 * TEN_THOUSAND, 0));
    assert_eq!(
        shop.items(Some(ItemState::Void)).await,
        [(ItemKind::Refund, ItemState::Void, "R-CS2".to_owned()), (ItemKind::Sale, ItemState::Void, "CS2".to_owned())]
    );
    let twice = shop.refunds("CS2", 25 * TEN_THOUSAND, moment("202601", 13, 10)).await.unwrap_err();
    assert!(matches!(twice, db::Error::Broken(_)), "{twice:?}");
    shop.verified().await;
}

#[tokio::test]
async fn a_refund_after_billing_gives_back_exactly_the_fee_that_was_taken() {
    let shop = Shop::new().await;
    shop.sells(shop.line("CS1", 60 * TEN_THOUSAND + 1, moment("202601", 10, 10))).await;
    let january = shop.settles("202601").await;
    let taken = shop.lines(&january).await.remove(0);
    assert_eq!(taken.reduction_bp, 100);
    shop.refunds("CS1", 60 * TEN_THOUSAND + 1, moment("202602", 10, 10)).await.unwrap();
    shop.sells(shop.line("CS2", 10 * TEN_THOUSAND, moment("202602", 11, 10))).await;

    // More went back than came in: the sum is negative, and the seller owes it to the next statement.
    let february = shop.settles("202602").await;
    let back = shop.lines(&february).await.remove(0);
    assert_eq!((back.kind, back.line_number.as_str(), back.refunds_line.as_deref()), (ItemKind::Refund, "R-CS1", Some("CS1")));
    assert_eq!((back.amount_minor, back.fee_minor, back.net_minor), (-taken.amount_minor, -taken.fee_minor, -taken.net_minor));
    assert_eq!((back.fee_bp, back.reduction_bp), (500, 100));
    let owed = 10 * TEN_THOUSAND * 95 / 100 - taken.net_minor;
    assert_eq!((february.state, february.payable_minor, february.carried_out_minor), (StatementState::Carried, 0, owed));
    assert!(owed < 0 && february.fee_minor < 0 && february.fee_tax_minor < 0);
    assert_eq!(shop.balance(Book::SellerPending(shop.seller)).await, owed);
    shop.verified().await;

    shop.sells(shop.line("CS3", 70 * TEN_THOUSAND, moment("202603", 10, 10))).await;
    let march = shop.settles("202603").await;
    assert_eq!(march.carried_in_minor, owed);
    assert_eq!(march.payable_minor, 70 * TEN_THOUSAND * 96 / 100 + owed);
    let twice = shop.refunds("CS1", 60 * TEN_THOUSAND + 1, moment("202604", 1, 0)).await.unwrap_err();
    assert!(matches!(twice, db::Error::Broken(_)), "{twice:?}");
    shop.verified().await;
}

#[tokio::test]
async fn a_statement_is_paid_once_and_a_transfer_pays_one_statement() {
    let shop = Shop::new().await;
    shop.sells(shop.line("CS1", TEN_THOUSAND, moment("202601", 10, 10))).await;
    let january = shop.settles("202601").await;
    shop.sells(shop.line("CS2", TEN_THOUSAND, moment("202602", 10, 10))).await;
    let february = shop.settles("202602").await;

    let at = moment("202603", 4, 9);
    assert_eq!(shop.pays_out(&january, "  ", at).await.unwrap_err().code(), Some(Code::FieldInvalid));
    let paid = shop.pays_out(&january, "BOC-1", at).await.unwrap();
    assert_eq!((paid.state, paid.paid_at, paid.bank_reference.as_deref()), (StatementState::Paid, Some(at), Some("BOC-1")));
    assert_eq!(paid.hash, january.hash, "a payout does not touch what is frozen");
    assert_eq!(shop.balance(Book::SellerPayable(shop.seller)).await, february.payable_minor);
    assert_eq!(shop.pays_out(&january, "BOC-2", at).await.unwrap_err().code(), Some(Code::StatementState));
    assert_eq!(shop.pays_out(&february, "BOC-1", at).await.unwrap_err().code(), Some(Code::DepositDuplicate));
    shop.pays_out(&february, "BOC-2", at).await.unwrap();
    assert_eq!(shop.balance(Book::SellerPayable(shop.seller)).await, 0);

    let seller = shop.seller;
    let inbox = shop.db().read(async move |tx| notices::inbox(tx, seller, &PageRequest::default()).await).await.unwrap().items;
    let mut kinds: Vec<_> = inbox.iter().map(|notice| notice.kind).collect();
    kinds.sort();
    assert_eq!(kinds, [NoticeKind::StatementReady, NoticeKind::StatementReady, NoticeKind::StatementPaid, NoticeKind::StatementPaid]);
    shop.verified().await;
}

#[tokio::test]
async fn a_statement_of_thousands_of_lines_is_made_and_verified_in_pages() {
    const LINES: i64 = 2_300;
    let shop = Shop::new().await;
    let at = moment("202601", 10, 10);
    let (ctx, seller, buyer, product) = (shop.test.ctx(at), shop.seller, shop.buyer, shop.product);
    shop.db()
        .write(async move |tx| {
            let held = || Book::Held("CS".to_owned());
            let sum = LINES * 1_010;
            ledger::post(tx, &ctx, EntryKind::Payment, "CS", CNY, &[Posting::new(Book::Buyer(buyer), held(), sum)]).await?;
            ledger::post(tx, &ctx, EntryKind::Sale, "CS", CNY, &[Posting::new(held(), Book::SellerPending(seller), sum)]).await?;
            for n in 0..LINES {
                let line = format!("CS-{n:06}");
                let sale = SaleItem {
                    seller_id: seller,
                    product_id: product,
                    order_number: "CS",
                    line_number: &line,
                    amount: Money::new(1_010, CNY),
                    fee: Rate::bp(COMMON_BP),
                    fee_steps: &[],
                    paid_at: at,
                    effective_at: at + n % 7,
                    guaranteed_until: at,
                };
                settlement::record_sale(tx, &ctx, &sale).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let statement = shop.settles("202601").await;
    // 5 % of 10.10 is 0.505: half to even for each line, not for the sum.
    assert_eq!((statement.line_count, statement.fee_minor), (LINES, LINES * 50));
    let mut steps = Vec::new();
    let found = settlement::verify_statements(shop.db(), |checked| steps.push(checked)).await.unwrap();
    assert_eq!((found.problems, found.statements, found.lines), (vec![], 1, LINES));
    assert_eq!(steps, [2_000, LINES]);
}

#[tokio::test]
async fn a_damaged_statement_is_named() {
    let cases = [
        ("statement_lines", "/2", "UPDATE statement_lines SET amount_minor = amount_minor + 100 WHERE n = 2"),
        ("statement_lines", "/2", "UPDATE statement_lines SET fee_minor = 1 WHERE n = 2"),
        ("statement_lines", "/2", "UPDATE statement_lines SET reduction_bp = 200 WHERE n = 2"),
        ("statement_lines", "/2", "UPDATE statement_lines SET net_minor = net_minor + 1 WHERE n = 2"),
        ("statement_lines", "/2", "UPDATE statement_lines SET line_number = 'CS8' WHERE n = 2"),
        ("statement_lines", "/2", "DELETE FROM statement_lines WHERE n = 2"),
        ("statement_lines", "/1", "UPDATE settlement_items SET state = 'open' WHERE line_number = 'CS1'"),
        ("statement_lines", "/1", "DELETE FROM settlement_items WHERE line_number = 'CS1'"),
        ("statements", "", "DELETE FROM statement_lines WHERE n = 3"),
        ("statements", "", "UPDATE statement_lines SET product_id = 'prd_00000000000000000000000000' WHERE n = 2"),
        ("statements", "", "UPDATE statement_lines SET effective_at = effective_at + 1 WHERE n = 2"),
        ("statements", "", "UPDATE statements SET payable_minor = payable_minor + 1"),
        ("statements", "", "UPDATE statements SET fee_tax_minor = fee_tax_minor + 1"),
        ("statements", "", "UPDATE statements SET sales_minor = sales_minor + 1, payable_minor = payable_minor + 1"),
        ("statements", "", "UPDATE statements SET carried_in_minor = 5, payable_minor = payable_minor + 5"),
        ("statements", "", "UPDATE statements SET created_at = created_at + 1"),
        ("statements", "", "UPDATE statements SET period = '202512'"),
        ("statements", "", "UPDATE statements SET hash = (SELECT hash FROM ledger_seals WHERE sequence = 1)"),
        ("statements", "", "UPDATE statements SET state = 'paid'"),
        ("statements", "", "UPDATE statements SET state = 'carried'"),
        ("statements", "", "UPDATE statements SET state = 'lost'"),
        ("statements", "", "UPDATE ledger_postings SET amount_minor = amount_minor - 1 WHERE destination = 'tax'"),
        ("statements", "", "UPDATE ledger_transactions SET reference = 'stm' WHERE kind = 'settlement'"),
        ("statements", "", "UPDATE ledger_transactions SET kind = 'lost' WHERE kind = 'settlement'"),
    ];
    for (table, line, damage) in cases {
        let shop = Shop::new().await;
        for n in 1..=3 {
            shop.sells(shop.line(["CS1", "CS2", "CS3"][n - 1], TEN_THOUSAND, moment("202601", 10, n.try_into().unwrap()))).await;
        }
        let statement = shop.settles("202601").await;
        shop.db().write(async |tx| ledger::seal(tx, 0, 100).await).await.unwrap();
        shop.verified().await;
        shop.damage(damage).await;
        let problems = settlement::verify_statements(shop.db(), |_| ()).await.unwrap().problems;
        let first = problems.first().unwrap_or_else(|| panic!("{damage} was not noticed"));
        assert_eq!((first.table, first.row.clone()), (table, format!("{}{line}", statement.id)), "{damage}: {problems:#?}");
    }
}

#[tokio::test]
async fn an_item_that_appears_or_disappears_is_named_with_its_seller() {
    let shop = Shop::new().await;
    shop.sells(shop.line("CS1", TEN_THOUSAND, moment("202601", 10, 10))).await;
    shop.settles("202601").await;
    shop.sells(shop.line("CS2", TEN_THOUSAND, moment("202602", 10, 10))).await;
    shop.verified().await;
    shop.damage("UPDATE settlement_items SET amount_minor = 1 WHERE line_number = 'CS2'").await;
    let problems = settlement::verify_statements(shop.db(), |_| ()).await.unwrap().problems;
    assert_eq!((problems.len(), problems[0].row.as_str()), (1, format!("{}/CNY", shop.seller).as_str()), "{problems:?}");
    // A run on such books makes no statement.
    let broken = shop.runs("202602", run_day("202602")).await.unwrap_err();
    assert!(matches!(broken, db::Error::Broken(_)), "{broken:?}");
    shop.damage("UPDATE settlement_items SET amount_minor = 1000000 WHERE line_number = 'CS2'").await;
    shop.verified().await;
    shop.settles("202602").await;
    shop.damage("DELETE FROM statement_lines WHERE statement_id IN (SELECT id FROM statements WHERE period = '202602')").await;
    shop.damage("DELETE FROM statements WHERE period = '202602'").await;
    let problems = settlement::verify_statements(shop.db(), |_| ()).await.unwrap().problems;
    assert_eq!(problems[0].table, "settlement_items");
    assert!(problems[0].what.starts_with("says it is billed"), "{problems:?}");
}

#[tokio::test]
async fn the_jobs_of_the_months_follow_each_other() {
    let shop = Shop::new().await;
    let market = &shop.test.market;
    shop.sells(shop.line("CS1", TEN_THOUSAND, moment("202601", 10, 10))).await;
    let ensure = async |at: i64| {
        let of = market.clone();
        shop.db().write(async move |tx| settlement::ensure_scheduled(tx, of.edition(), at).await).await.unwrap();
    };
    let listed = async || {
        let jobs = shop.db().read(async |tx| db::jobs::list(tx, ("", ""), 50).await).await.unwrap();
        jobs.into_iter().map(|report| (report.job.kind, report.job.subject, report.job.due_at)).collect::<Vec<_>>()
    };
    // Works off everything that is due at `now`; how many jobs that were.
    let work = async |now: i64| {
        let mut done = 0;
        loop {
            let leases =
                shop.db().write(async move |tx| db::jobs::claim(tx, now, 1, 60_000, &format!("t{done}"), 1, 1).await).await.unwrap();
            let Some(lease) = leases.first() else { return done };
            if lease.job.kind == settlement::MONTH_JOB {
                settlement::run_month_job(market, lease, now).await.unwrap();
            } else {
                settlement::run_seller_job(market, lease, now).await.unwrap();
            }
            done += 1;
        }
    };
    let month_job = |of: &str| (settlement::MONTH_JOB.to_owned(), of.to_owned(), run_day(of));

    ensure(moment("202602", 1, 0)).await;
    ensure(moment("202602", 2, 0)).await;
    assert_eq!(listed().await, [month_job("202601")]);
    assert_eq!(work(run_day("202601") - 1).await, 0);
    // The month's job, and the seller's.
    assert_eq!(work(run_day("202601")).await, 2);
    assert_eq!(listed().await, [month_job("202602")]);
    ensure(moment("202602", 20, 0)).await;
    assert_eq!(listed().await, [month_job("202602")], "a month that was run is not run again");

    // Two months later at once: each month in its order, each statement of its own month.
    shop.sells(shop.line("CS2", TEN_THOUSAND, moment("202602", 10, 10))).await;
    shop.sells(shop.line("CS3", TEN_THOUSAND, moment("202603", 10, 10))).await;
    assert_eq!(work(run_day("202603") + DAY_MS).await, 4);
    let page = PageRequest::default();
    let statements = shop.db().read(async move |tx| settlement::statements(tx, None, None, &page).await).await.unwrap().items;
    let mut periods: Vec<_> = statements.iter().map(|s| (s.period.to_string(), s.line_count)).collect();
    periods.sort();
    assert_eq!(periods, [("202601".to_owned(), 1), ("202602".to_owned(), 1), ("202603".to_owned(), 1)]);
    assert_eq!(listed().await, [month_job("202604")]);

    // A sandbox whose clock was set back before anything happened gets a job of its own time.
    ensure(moment("202512", 15, 0)).await;
    assert_eq!(listed().await, [month_job("202511"), month_job("202604")]);
    shop.verified().await;
}

#[tokio::test]
async fn a_month_job_that_comes_early_or_has_lost_its_lease_does_nothing() {
    let shop = Shop::new().await;
    let market = &shop.test.market;
    shop.sells(shop.line("CS1", TEN_THOUSAND, moment("202601", 10, 10))).await;
    shop.db().write(async |tx| db::jobs::enqueue(tx, settlement::MONTH_JOB, &"202601", "", 0).await).await.unwrap();
    let claim = async |now: i64| shop.db().write(async move |tx| db::jobs::claim(tx, now, 1, 60_000, "t", 9, 9).await).await.unwrap();
    let lease = claim(5).await.remove(0);
    settlement::run_month_job(market, &lease, 5).await.unwrap();
    assert_eq!(claim(run_day("202601") - 1).await, [], "it was put back to its day");
    let lease = claim(run_day("202601")).await.remove(0);
    let lost = db::jobs::Lease { token: "another".to_owned(), ..lease };
    let refused = settlement::run_month_job(market, &lost, run_day("202601")).await.unwrap_err();
    assert!(matches!(refused, db::Error::Unavailable(_)), "{refused:?}");
    assert_eq!(shop.db().read(async |tx| db::jobs::count(tx).await).await.unwrap(), (1, 0));
}

/// A year of chance: whatever is sold, returned, billed and paid, the books agree.
#[tokio::test]
async fn a_year_of_chance_adds_up() {
    let shop = Shop::new().await;
    let chance = Entropy::from_seed([8; 32]);
    let draw = |below: i64| i64::from(u32::from_be_bytes(chance.bytes())) % below;
    let mut sold: Vec<(String, i64)> = Vec::new();
    let mut states = Vec::new();
    for of in 1..=12 {
        let of = format!("2026{of:02}");
        for n in 0..draw(12) {
            let line = format!("CS{of}{n}");
            // Mostly small, so that sums are carried, and now and then one that reaches a step.
            let minor = if draw(4) == 0 { draw(60 * TEN_THOUSAND) } else { draw(9_000) };
            let at = moment(&of, 1 + draw(28), draw(24));
            let fee_bp = if draw(3) == 0 { 1_234 } else { COMMON_BP };
            let product = if draw(2) == 0 { shop.product } else { shop.other_product() };
            shop.sells(Sold { fee_bp, product, ..shop.line(&line, minor, at) }).await;
            sold.push((line, minor));
        }
        for _ in 0..draw(4) {
            if sold.is_empty() {
                break;
            }
            let (line, minor) = sold.swap_remove(usize::try_from(draw(i64::try_from(sold.len()).unwrap())).unwrap());
            shop.refunds(&line, minor, moment(&of, 28, 23)).await.unwrap();
        }
        let at = settlement::run_at(shop.test.market.edition(), month(&of));
        let Some(statement) = shop.runs(&of, at).await.unwrap() else { continue };
        states.push(statement.state);
        if statement.state == StatementState::Payable && draw(3) > 0 {
            shop.pays_out(&statement, &format!("BOC-{of}"), at + HOUR_MS).await.unwrap();
        }
        shop.verified().await;
    }
    assert!(states.contains(&StatementState::Payable) && states.contains(&StatementState::Carried), "{states:?}");
}
