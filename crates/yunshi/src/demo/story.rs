//! What happens in the demo market until today: people come, sell, buy, renew, return, forget to pay; a server fails for an afternoon.
//!
//! The story is lived through on the market's sandbox clock by the use cases that the doors call; nothing is written into a table. Whatever
//! the marketplace does by itself (opening instances, reminders, automatic renewals, freezing, releasing, settling) it does here.

use anyhow::{Context, Result};
use db::Tx;
use kernel::{
    AccountId, Actor, Code, Ctx, DAY_MS, HOUR_MS, Locale, MINUTE_MS, Money, Period, PeriodUnit, ProductId, SkuId, SubscriptionId, UserId,
};
use market::accounts::{self, AccountKind, NewAccount, NewUser, PasswordHash};
use market::catalog::{self, By, ChargingMode, QuantityRule};
use market::ledger::{self, NewDeposit};
use market::orders::{self, PurchaseItem, RenewalInput};
use market::page::{PAGE_MAX, PageRequest};
use market::runner::{self, To};
use market::sellers::{self, AddressInput, Application, BankAccount, Decision, Dialect};
use market::settlement::{self, StatementState};
use market::subscriptions::{self, Renewal, RenewalMode, Subscription, SubscriptionState, Whose};
use market::{Market, refunds};

use super::cast::{APPLICANTS, BUYERS, Fate, Firm, OPERATOR, SHOPS, Shop};
use super::dice::Dice;
use super::shops::Shops;

/// Where the stream of choices begins: another number is another story.
const SEED: u8 = 7;
/// The first hour of work.
const MORNING: i8 = 9;
/// Minutes of work in a day.
const WORK_MINUTES: i64 = 9 * 60;
/// The shop whose instances take long to open.
const SLOW: &str = "yunzhou";
/// A buyer with less than this asks for a transfer, minor units.
const BALANCE_LOW_MINOR: i64 = 3_000_000;

/// Somebody who acts.
#[derive(Clone, Copy, Debug)]
struct Person {
    firm: Firm,
    account: AccountId,
    user: UserId,
}

/// A SKU that is on sale.
#[derive(Clone, Debug)]
struct Cell {
    shop: &'static str,
    product: ProductId,
    sku: SkuId,
    mode: ChargingMode,
    quantity: QuantityRule,
}

/// A product of a shop.
#[derive(Clone, Copy, Debug)]
struct Product {
    seller: Person,
    id: ProductId,
    fate: Fate,
}

/// What may happen in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Purchase,
    /// A purchase that nobody pays for.
    Forgotten,
    /// A purchase whose buyer thinks better of it.
    Cancelled,
    Change,
    Return(SubscriptionId),
    ManualRenewals,
    Payouts,
    ServerFails,
    ServerRecovers,
    Suspend,
    Resume,
    Hide,
    Retire,
}

/// The market while its story is told.
struct Story<'a> {
    market: &'a Market,
    shops: &'a Shops,
    password: PasswordHash,
    dice: Dice,
    operator: Person,
    buyers: Vec<Person>,
    products: Vec<Product>,
    cells: Vec<Cell>,
    /// What is returned, and on which day.
    returns: Vec<(i64, SubscriptionId)>,
    suspended: Option<SubscriptionId>,
    transfers: i64,
}

/// Tells the story of `days` days, which end at `end` (ms UTC). `hear` is told each moment that is reached.
pub(super) async fn tell(market: &Market, shops: &Shops, password: &str, days: i64, end: i64, mut hear: impl FnMut(i64)) -> Result<()> {
    let begin = market.edition().zone.same_day_at(end - days * DAY_MS, MORNING);
    let clock = *market.clock();
    market.db().write(async move |tx| clock.begin_at(tx, begin).await).await?;
    let hash = PasswordHash::new(password, OPERATOR.login, &market.entropy())
        .map_err(|refusal| anyhow::anyhow!("the password is refused: {refusal}; give a longer one with --password"))?;
    let mut story = Story::begin(market, shops, hash).await?;
    for day in 0..days {
        story.live(day, days, end).await.with_context(|| format!("day {day} of the story"))?;
        hear(story.now().await?);
    }
    story.close(end).await
}

impl<'a> Story<'a> {
    /// The operator, the sellers with their products, and the buyers.
    async fn begin(market: &'a Market, shops: &'a Shops, password: PasswordHash) -> Result<Self> {
        let ctx = market.ctx(Actor::Console, Locale::ZhCn).await?;
        let (account, owner) = papers(OPERATOR, &password);
        let made = market.db().write(async move |tx| accounts::create_operator(tx, &ctx, account.clone(), owner.clone()).await);
        let (account, user) = made.await?;
        let operator = Person { firm: OPERATOR, account: account.id, user: user.id };
        let dice = Dice::new(SEED);
        let mut story = Self {
            market,
            shops,
            password,
            dice,
            operator,
            buyers: Vec::new(),
            products: Vec::new(),
            cells: Vec::new(),
            returns: Vec::new(),
            suspended: None,
            transfers: 0,
        };
        for shop in SHOPS {
            story.open_shop(shop).await.with_context(|| format!("the shop {}", shop.firm.login))?;
        }
        for firm in BUYERS {
            let buyer = story.join(firm).await?;
            story.buyers.push(buyer);
            let amount_minor = story.dice.between(50, 400) * 100_000;
            story.transfer(buyer, amount_minor).await?;
        }
        Ok(story)
    }

    /// Does something as somebody, now.
    async fn act<T: Send + 'static>(
        &self,
        who: Person,
        work: impl AsyncFn(&mut Tx, &Ctx, &Market) -> db::Result<T> + Send + 'static,
    ) -> db::Result<T> {
        let actor = Actor::User { user: who.user, account: who.account };
        let ctx = self.market.ctx(actor, Locale::ZhCn).await?;
        let market = self.market.clone();
        self.market.db().write(async move |tx| work(tx, &ctx, &market).await).await
    }

    async fn now(&self) -> db::Result<i64> {
        Ok(self.market.ctx(Actor::System("demo"), Locale::ZhCn).await?.now)
    }

    /// Lets the marketplace do everything that falls due until `at`.
    async fn until(&self, at: i64) -> Result<()> {
        if at > self.now().await? {
            runner::advance(self.market, To::Moment(at), |_| {}).await?;
        }
        Ok(())
    }

    /// Lets the marketplace do what is due now: after an order, the call that opens it.
    async fn settle_down(&self) -> Result<()> {
        runner::advance(self.market, To::Now, |_| {}).await?;
        Ok(())
    }

    async fn join(&self, firm: Firm) -> Result<Person> {
        let (account, owner) = papers(firm, &self.password);
        let ctx = self.market.ctx(Actor::System("sign-up"), Locale::ZhCn).await?;
        let made = self.market.db().write(async move |tx| accounts::create_account(tx, &ctx, account.clone(), owner.clone()).await);
        let (account, user) = made.await?;
        Ok(Person { firm, account: account.id, user: user.id })
    }

    async fn apply(&self, who: Person, bank: &'static str) -> Result<()> {
        self.act(who, async move |tx, ctx, market| {
            let application = Application {
                company: who.firm.title.to_owned(),
                website: format!("https://{}.example.com", who.firm.login),
                contact_name: who.firm.person.to_owned(),
                contact_email: mail(who.firm),
                contact_phone: "0755-8600-1234".to_owned(),
                bank: BankAccount { name: bank.to_owned(), number: "6222 0202 0011 2233 445".to_owned() },
            };
            sellers::apply(tx, ctx, market.vault(), who.account, application).await.map(drop)
        })
        .await?;
        Ok(())
    }

    async fn open_shop(&mut self, shop: Shop) -> Result<()> {
        let seller = self.join(shop.firm).await?;
        self.apply(seller, shop.bank).await?;
        self.act(self.operator, async move |tx, ctx, _| sellers::decide(tx, ctx, seller.account, Decision::Approve).await.map(drop))
            .await?;
        let (name, url, key) = (shop.firm.login, self.shops.address(shop.firm.login), self.shops.key(shop.firm.login).to_owned());
        let address = self
            .act(seller, async move |tx, ctx, market| {
                let (key, _) = sellers::create_key(tx, ctx, market.vault(), seller.account, "production", Some(key.clone())).await?;
                // The sellers of the demo stand on this machine, which its client may call.
                let url = sellers::check_url(&url, &|_| Ok(()))?;
                let input = AddressInput { name: "production".to_owned(), url, dialect: Dialect::KoogalleryV2, key_id: key.id };
                Ok(sellers::create_address(tx, ctx, seller.account, input).await?.id)
            })
            .await?;
        for ware in shop.wares {
            let content = ware.content(address, &mail(shop.firm));
            let id = self
                .act(seller, async move |tx, ctx, _| Ok(catalog::create(tx, ctx, seller.account, content.clone()).await?.summary.id))
                .await?;
            self.products.push(Product { seller, id, fate: ware.fate });
            if matches!(ware.fate, Fate::OnSale | Fate::Hidden | Fate::Retired) {
                self.submit(seller, id).await?;
                self.review(id, None).await?;
                self.put_up(name, id).await?;
            }
        }
        Ok(())
    }

    async fn submit(&self, seller: Person, id: ProductId) -> db::Result<()> {
        self.act(seller, async move |tx, ctx, _| catalog::submit(tx, ctx, seller.account, id).await.map(drop)).await
    }

    /// The operator approves the submission of a product, or sends it back with a reason.
    async fn review(&self, id: ProductId, reason: Option<&'static str>) -> db::Result<()> {
        self.act(self.operator, async move |tx, ctx, market| {
            let queue = catalog::review_queue(tx, ctx, &all()).await?;
            let listing = queue.items.iter().find(|item| item.product_id == id).map(|item| item.id);
            let listing = listing.ok_or_else(|| db::Error::broken("a submission that is not in the queue"))?;
            match reason {
                None => catalog::approve(tx, ctx, market.edition(), listing).await.map(drop),
                Some(reason) => catalog::reject(tx, ctx, listing, reason).await.map(drop),
            }
        })
        .await
    }

    /// Notes what can be bought of a product.
    async fn put_up(&mut self, shop: &'static str, product: ProductId) -> Result<()> {
        let view = self.act(self.operator, async move |tx, _, _| catalog::view(tx, None, product).await).await?;
        for edition in view.editions {
            for sku in edition.skus {
                self.cells.push(Cell { shop, product, sku: sku.id, mode: edition.charging_mode, quantity: sku.quantity });
            }
        }
        Ok(())
    }

    /// A bank transfer to a buyer's balance, recorded by the operator.
    async fn transfer(&mut self, buyer: Person, amount_minor: i64) -> Result<()> {
        self.transfers += 1;
        let bank_reference = format!("BT{:08}", self.transfers);
        self.act(self.operator, async move |tx, ctx, market| {
            let amount = Money::new(amount_minor, market.edition().currency);
            let new =
                NewDeposit { account_id: buyer.account, amount, bank_reference: bank_reference.clone(), note: "对公转账".to_owned() };
            ledger::record_deposit(tx, ctx, market.edition(), &new).await.map(drop)
        })
        .await?;
        Ok(())
    }

    /// Lives through one day.
    async fn live(&mut self, day: i64, days: i64, end: i64) -> Result<()> {
        let zone = &self.market.edition().zone;
        let morning = zone.same_day_at(zone.add_days(end, day - days), MORNING);
        let mut scenes: Vec<(i64, Scene)> = Vec::new();
        let anytime = |dice: &Dice| morning + dice.between(0, WORK_MINUTES) * MINUTE_MS;
        for _ in 0..self.dice.below(3) {
            scenes.push((anytime(&self.dice), Scene::Purchase));
        }
        for (often, scene) in [(5, Scene::Forgotten), (4, Scene::Cancelled), (15, Scene::Change)] {
            if self.dice.percent(often) {
                scenes.push((anytime(&self.dice), scene));
            }
        }
        scenes.push((morning + 2 * HOUR_MS, Scene::ManualRenewals));
        if day % 7 == 4 {
            scenes.push((morning + 6 * HOUR_MS, Scene::Payouts));
        }
        let (due, later) = std::mem::take(&mut self.returns).into_iter().partition(|(on, _)| *on <= day);
        self.returns = later;
        let due: Vec<(i64, SubscriptionId)> = due;
        scenes.extend(due.into_iter().map(|(_, id)| (anytime(&self.dice), Scene::Return(id))));
        // The turns of the story, each on its day.
        for (on, hour, scene) in [
            (days / 2, 1, Scene::Hide),
            (days * 3 / 5, 1, Scene::ServerFails),
            (days * 3 / 5, 7, Scene::ServerRecovers),
            (days * 2 / 3, 2, Scene::Retire),
            (days * 3 / 4, 3, Scene::Suspend),
            (days * 3 / 4 + 3, 3, Scene::Resume),
            (days - 2, 5, Scene::Suspend),
        ] {
            if day == on {
                scenes.push((morning + hour * HOUR_MS, scene));
            }
        }
        scenes.sort_by_key(|(at, _)| *at);
        for (at, scene) in scenes {
            self.until(at).await?;
            self.play(scene, day).await.with_context(|| format!("{scene:?}"))?;
        }
        Ok(())
    }

    async fn play(&mut self, scene: Scene, day: i64) -> Result<()> {
        match scene {
            Scene::Purchase => self.purchase(day).await?,
            Scene::Forgotten => drop(self.place(None).await?),
            Scene::Cancelled => {
                if let Some((buyer, number)) = self.place(None).await? {
                    self.act(buyer, async move |tx, ctx, _| orders::cancel(tx, ctx, buyer.account, &number).await.map(drop)).await?;
                }
            }
            Scene::Change => self.change().await?,
            Scene::Return(id) => self.give_back(id).await?,
            Scene::ManualRenewals => self.renew_by_hand().await?,
            Scene::Payouts => self.pay_out().await?,
            Scene::ServerFails => {
                self.shops.set_down(failing(), true);
                for _ in 0..2 {
                    self.place_and_pay(Some(failing())).await?;
                }
            }
            Scene::ServerRecovers => self.shops.set_down(failing(), false),
            Scene::Suspend => self.suspend().await?,
            Scene::Resume => self.resume().await?,
            Scene::Hide => self.turn(Fate::Hidden).await?,
            Scene::Retire => self.turn(Fate::Retired).await?,
        }
        self.settle_down().await
    }

    /// Somebody buys; now and then, thinks better of it within days.
    async fn purchase(&mut self, day: i64) -> Result<()> {
        let Some((buyer, number)) = self.place_and_pay(None).await? else { return Ok(()) };
        self.settle_down().await?;
        if self.dice.percent(8) {
            let order = self.act(buyer, async move |tx, _, _| orders::get(tx, &number).await).await?;
            let back_on = day + self.dice.between(1, 3);
            self.returns.extend(order.lines.iter().filter_map(|line| line.subscription_id).map(|id| (back_on, id)));
        }
        Ok(())
    }

    /// Somebody places an order, at a certain shop or anywhere.
    async fn place(&mut self, shop: Option<&str>) -> Result<Option<(Person, String)>> {
        self.place_one(|cell| shop.is_none_or(|shop| shop == cell.shop)).await
    }

    /// Somebody places an order for one of the SKUs that are `wanted`.
    async fn place_one(&mut self, wanted: impl Fn(&Cell) -> bool) -> Result<Option<(Person, String)>> {
        let sold: Vec<&Cell> = self.cells.iter().filter(|cell| wanted(cell)).collect();
        let (Some(buyer), Some(cell)) = (self.dice.pick(&self.buyers).copied(), self.dice.pick(&sold)) else { return Ok(None) };
        let period = (cell.mode == ChargingMode::Period).then(|| self.period());
        let largest = cell.quantity.max.min(if period.is_some_and(|it| it.unit == PeriodUnit::Year) { 20 } else { 40 });
        let quantity = self.dice.between(cell.quantity.min, largest);
        let renewal = match period {
            Some(period) if self.dice.percent(35) => Some(Renewal { mode: RenewalMode::Auto, period: Some(period), times: None }),
            _ => None,
        };
        let item = PurchaseItem { sku_id: cell.sku, period, quantity, renewal };
        let placed = self
            .act(buyer, async move |tx, ctx, market| {
                orders::place(tx, ctx, market.edition(), buyer.account, std::slice::from_ref(&item), None).await
            })
            .await?;
        Ok(Some((buyer, placed.number)))
    }

    /// Somebody buys so much that its return waits for the operator.
    async fn buy_a_lot(&mut self) -> Result<Option<(Person, String)>> {
        let Some(buyer) = self.dice.pick(&self.buyers).copied() else { return Ok(None) };
        let period = Some(Period { unit: PeriodUnit::Year, count: 1 });
        let healthy = |cell: &&Cell| cell.mode == ChargingMode::Period && cell.shop != failing() && cell.shop != SLOW;
        let lots: Vec<PurchaseItem> = self
            .cells
            .iter()
            .filter(healthy)
            .map(|cell| PurchaseItem { sku_id: cell.sku, period, quantity: cell.quantity.max, renewal: None })
            .collect();
        for item in lots {
            let placed = self
                .act(buyer, async move |tx, ctx, market| {
                    let items = std::slice::from_ref(&item);
                    let quote = orders::quote_purchase(tx, market.edition(), Some(buyer.account), items).await?;
                    if quote.total_minor <= market.edition().refund_large_minor {
                        return Ok(None);
                    }
                    orders::place(tx, ctx, market.edition(), buyer.account, items, None).await.map(Some)
                })
                .await;
            if let Some(Some(order)) = unless_refused(placed)? {
                self.pay(buyer, order.number.clone()).await?;
                self.settle_down().await?;
                return Ok(Some((buyer, order.number)));
            }
        }
        Ok(None)
    }

    fn period(&self) -> Period {
        let (unit, count) = match self.dice.below(10) {
            0..=4 => (PeriodUnit::Month, 1),
            5 | 6 => (PeriodUnit::Month, 3),
            7 => (PeriodUnit::Month, 6),
            _ => (PeriodUnit::Year, 1),
        };
        Period { unit, count }
    }

    /// Somebody buys and pays; with too little on the balance, after a transfer.
    async fn place_and_pay(&mut self, shop: Option<&str>) -> Result<Option<(Person, String)>> {
        let Some((buyer, number)) = self.place(shop).await? else { return Ok(None) };
        self.pay(buyer, number.clone()).await?;
        Ok(Some((buyer, number)))
    }

    async fn pay(&mut self, buyer: Person, number: String) -> Result<()> {
        let order = number.clone();
        let (total, wallet) = self
            .act(buyer, async move |tx, _, market| {
                let total = orders::get(tx, &order).await?.total_minor;
                Ok((total, ledger::wallet(tx, buyer.account, market.edition().currency).await?))
            })
            .await?;
        if wallet - total < BALANCE_LOW_MINOR {
            let amount_minor = total + self.dice.between(20, 200) * 100_000;
            self.transfer(buyer, amount_minor).await?;
        }
        self.act(buyer, async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer.account, &number).await.map(drop))
            .await?;
        Ok(())
    }

    async fn in_use(&self) -> Result<Vec<Subscription>> {
        let listed = self
            .act(self.operator, async |tx, _, _| subscriptions::list(tx, Whose::Everybody, Some(SubscriptionState::InUse), &all()).await);
        Ok(listed.await?.items)
    }

    fn buyer(&self, account: AccountId) -> Option<Person> {
        self.buyers.iter().find(|buyer| buyer.account == account).copied()
    }

    /// Some whose time is nearly over renew, by a month or a year. Others let it end.
    async fn renew_by_hand(&mut self) -> Result<()> {
        let now = self.now().await?;
        for sub in self.in_use().await? {
            let ends_soon = sub.ends_at.is_some_and(|end| (0..4 * DAY_MS).contains(&(end - now)));
            if !ends_soon || sub.renewal.mode != RenewalMode::Manual || sub.open_order.is_some() || !self.dice.percent(30) {
                continue;
            }
            let Some(buyer) = self.buyer(sub.buyer_id) else { continue };
            let period = self.period();
            let placed = self
                .act(buyer, async move |tx, ctx, market| {
                    orders::place_renewal(tx, ctx, market.edition(), buyer.account, sub.id, &RenewalInput::same(period), None).await
                })
                .await;
            if let Some(order) = unless_refused(placed)? {
                self.pay(buyer, order.number).await?;
            }
        }
        Ok(())
    }

    /// Somebody needs more of what they have.
    async fn change(&mut self) -> Result<()> {
        let in_use = self.in_use().await?;
        let periodic: Vec<&Subscription> = in_use.iter().filter(|sub| sub.ends_at.is_some() && sub.open_order.is_none()).collect();
        let Some(&sub) = self.dice.pick(&periodic) else { return Ok(()) };
        let Some(buyer) = self.buyer(sub.buyer_id) else { return Ok(()) };
        let (id, sku, quantity) = (sub.id, sub.item.sku_id, sub.quantity + self.dice.between(1, 10));
        let placed = self
            .act(buyer, async move |tx, ctx, market| {
                orders::place_change(tx, ctx, market.edition(), buyer.account, id, sku, quantity, None).await
            })
            .await;
        if let Some(order) = unless_refused(placed)? {
            self.pay(buyer, order.number).await?;
        }
        Ok(())
    }

    async fn give_back(&self, id: SubscriptionId) -> Result<()> {
        let sub = self.act(self.operator, async move |tx, _, _| subscriptions::get(tx, id).await).await?;
        let Some(buyer) = self.buyer(sub.buyer_id) else { return Ok(()) };
        let returned = self
            .act(buyer, async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer.account, id).await)
            .await;
        unless_refused(returned).map(drop)
    }

    /// The operator transfers what the statements of the last month say.
    async fn pay_out(&mut self) -> Result<()> {
        let payable =
            self.act(self.operator, async |tx, _, _| settlement::statements(tx, None, Some(StatementState::Payable), &all()).await).await?;
        for statement in payable.items {
            self.transfers += 1;
            let reference = format!("PO{:08}", self.transfers);
            self.act(self.operator, async move |tx, ctx, _| settlement::record_payout(tx, ctx, statement.id, &reference).await.map(drop))
                .await?;
        }
        Ok(())
    }

    async fn suspend(&mut self) -> Result<()> {
        let in_use = self.in_use().await?;
        let Some(id) = self.dice.pick(&in_use).map(|sub| sub.id) else { return Ok(()) };
        let reason = "收到投诉：该账号存在违规使用，核实期间暂停服务。";
        self.act(self.operator, async move |tx, ctx, market| subscriptions::suspend(tx, ctx, market.edition(), id, reason).await.map(drop))
            .await?;
        self.suspended = Some(id);
        Ok(())
    }

    async fn resume(&mut self) -> Result<()> {
        let Some(id) = self.suspended.take() else { return Ok(()) };
        let resumed =
            self.act(self.operator, async move |tx, ctx, market| subscriptions::resume(tx, ctx, market.edition(), id).await).await;
        unless_refused(resumed).map(drop)
    }

    /// The products of this fate meet it.
    async fn turn(&mut self, fate: Fate) -> Result<()> {
        for product in self.products.iter().filter(|product| product.fate == fate).copied().collect::<Vec<_>>() {
            let (by, id) = (By::Seller(product.seller.account), product.id);
            self.act(product.seller, async move |tx, ctx, _| match fate {
                Fate::Hidden => catalog::hide(tx, ctx, by, id).await.map(drop),
                _ => catalog::retire_product(tx, ctx, by, id).await.map(drop),
            })
            .await?;
            self.cells.retain(|cell| cell.product != id);
        }
        Ok(())
    }

    /// Today: what waits for somebody, so that everybody who signs in has something to do.
    async fn close(mut self, end: i64) -> Result<()> {
        for (firm, refused_because) in APPLICANTS {
            let applicant = self.join(firm).await?;
            self.apply(applicant, "中国银行").await?;
            if let Some(reason) = refused_because {
                let decision = Decision::Reject { reason: reason.to_owned() };
                self.act(self.operator, async move |tx, ctx, _| {
                    sellers::decide(tx, ctx, applicant.account, decision.clone()).await.map(drop)
                })
                .await?;
            }
        }
        for product in self.products.clone() {
            match product.fate {
                Fate::UnderReview => self.submit(product.seller, product.id).await?,
                Fate::Rejected => {
                    self.submit(product.seller, product.id).await?;
                    self.review(product.id, Some("缺少电信业务经营许可证编号，请补充后重新提交。")).await?;
                }
                Fate::OnSale | Fate::Hidden | Fate::Retired | Fate::Draft => {}
            }
        }
        let returned = self.place_one(|cell| cell.shop == failing() && cell.mode == ChargingMode::Period).await?;
        if let Some((buyer, number)) = &returned {
            self.pay(*buyer, number.clone()).await?;
            self.settle_down().await?;
        }
        let large = self.buy_a_lot().await?;
        self.until(end).await?;
        self.place(None).await?;
        // A seller who builds an instance for half an hour, and one whose server does not answer at this moment: what they are asked for is
        // under way when the story ends.
        self.place_and_pay(Some(SLOW)).await?;
        self.shops.set_down(failing(), true);
        for (buyer, number) in returned.into_iter().chain(large) {
            let order = self.act(buyer, async move |tx, _, _| orders::get(tx, &number).await).await?;
            for id in order.lines.iter().filter_map(|line| line.subscription_id) {
                self.give_back(id).await?;
            }
        }
        self.settle_down().await?;
        self.shops.set_down(failing(), false);
        let clock = *self.market.clock();
        let ctx = self.market.ctx(Actor::System("demo"), Locale::ZhCn).await?;
        self.market.db().write(async move |tx| clock.set_ticking(tx, &ctx, market::Ticking::Ticks).await).await?;
        Ok(())
    }
}

/// The shop whose server fails for an afternoon.
const fn failing() -> &'static str {
    SHOPS[2].firm.login
}

fn all() -> PageRequest {
    PageRequest { limit: PAGE_MAX, ..PageRequest::default() }
}

fn mail(firm: Firm) -> String {
    format!("{}@{}.example.com", firm.login, firm.login)
}

fn papers(firm: Firm, password: &PasswordHash) -> (NewAccount, NewUser) {
    let account = NewAccount { name: firm.login.to_owned(), kind: AccountKind::Enterprise, title: firm.title.to_owned() };
    let user = NewUser {
        login: firm.login.to_owned(),
        name: firm.person.to_owned(),
        email: mail(firm),
        phone: String::new(),
        locale: Locale::ZhCn,
        password: password.clone(),
    };
    (account, user)
}

/// What came of it; `None` where the marketplace said no for a reason that a person meets in a day's work.
fn unless_refused<T>(outcome: db::Result<T>) -> Result<Option<T>> {
    const USUAL: [Code; 9] = [
        Code::NotOnSale,
        Code::OrderOpen,
        Code::SubscriptionState,
        Code::FrozenByOperator,
        Code::NotRefundable,
        Code::RefundWindowOver,
        Code::RefundQuotaUsed,
        Code::QuantityInvalid,
        Code::PriceMissing,
    ];
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code().is_some_and(|code| USUAL.contains(&code)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
