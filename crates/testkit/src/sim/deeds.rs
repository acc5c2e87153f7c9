//! What each action comes to: who asks for what, among those that come into question.

use kernel::{Code, Period, PeriodUnit, SkuId, SubscriptionId};
use market::orders::{self, PurchaseItem, RenewalInput};
use market::subscriptions::{Renewal, RenewalMode};
use market::{catalog, delivery};

use super::actions::{Action, Paid, Pick, Renewing, Wanted};
use super::checks::{Holds, Invariant, Worked, violated};
use super::history::{Answered, History, fault, pick_of, place};
use super::people::{Shop, repriced};
use super::requests::{Person, Reply, Request};
use super::snapshot::SubRow;

impl History {
    pub(super) async fn act(&mut self, action: &Action) -> Holds<Worked> {
        match action {
            Action::Work => return self.work(0).await,
            Action::Pass { ms } => return self.work(*ms).await,
            Action::Idle { ms } => self.machine.pass(*ms),
            Action::OtherProcess => self.at_work = 1 - self.at_work,
            Action::Die => self.bury(),
            Action::Fault(fault) => self.process().await?.gate.arm(*fault),
            Action::Mood { seller, mood } => self.network.set_mood(place(*seller, self.people.shops.len()), *mood),
            Action::Replay { pick } => self.replay(*pick).await?,
            Action::LookAtInstance { pick } => self.look_at_instance(*pick).await?,
            Action::Again { pick } => self.again(*pick).await?,
            Action::Conflict { pick } => self.conflict(*pick).await?,
            Action::SignUp
            | Action::Deposit { .. }
            | Action::DepositAgain { .. }
            | Action::PayOut { .. }
            | Action::Suspend { .. }
            | Action::Resume { .. } => self.at_the_desk(action).await?,
            Action::Buy { buyer, seller, wanted, paid } => self.buy(*buyer, *seller, wanted, *paid).await?,
            Action::Pay { pick } => self.pay(*pick, |state| state == "pending_payment").await?,
            Action::PayAny { pick } => self.pay(*pick, |_| true).await?,
            Action::Cancel { pick } => {
                if let Some((buyer, number)) = self.pick_order(*pick, |state, kind| state == "pending_payment" && kind != "UNSUBSCRIBE") {
                    self.ask_only(buyer, Request::Cancel { buyer: buyer.account, number }).await?;
                }
            }
            Action::Renew { .. }
            | Action::Change { .. }
            | Action::SetRenewing { .. }
            | Action::Return { .. }
            | Action::ReturnRenewal { .. } => self.of_subscription(action).await?,
            Action::Hide { .. }
            | Action::Show { .. }
            | Action::RetireSku { .. }
            | Action::RetireProduct { .. }
            | Action::Reprice { .. }
            | Action::Restart { .. } => self.of_seller(action).await?,
        }
        Ok(Worked::No)
    }

    /// What the operator is asked for.
    pub(super) async fn at_the_desk(&mut self, action: &Action) -> Holds {
        let operator = self.people.operator;
        match action {
            Action::SignUp => {
                let name = format!("buyer-{}", self.people.buyers.len());
                if let Ok(answer) = self.ask_and_hear(operator, Request::SignUp { name }).await? {
                    let id = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                    let (account, user) = (id("account").parse(), id("user").parse());
                    if let (Ok(account), Ok(user)) = (account, user) {
                        self.people.buyers.push(Person { account, user });
                    }
                }
            }
            Action::Deposit { buyer, minor } => {
                let account = self.buyer(*buyer).account;
                let reference = format!("bank-{}", self.answered.len());
                self.ask_only(operator, Request::Deposit { account, minor: *minor, reference }).await?;
            }
            Action::DepositAgain { pick } => {
                let known = &self.known.deposits;
                let Some(deposit) = pick_of(known, *pick) else { return Ok(()) };
                let (account, reference) = (self.buyer(*pick).account, deposit.reference.clone());
                self.ask_only(operator, Request::Deposit { account, minor: 1_000, reference }).await?;
            }
            Action::PayOut { pick } => {
                let payable: Vec<_> = self.known.statements.iter().filter(|it| it.payable > 0).map(|it| it.id.clone()).collect();
                let Some(statement) = pick_of(&payable, *pick).and_then(|id| id.parse().ok()) else { return Ok(()) };
                let reference = format!("payout-{}", self.answered.len());
                self.ask_only(operator, Request::PayOut { statement, reference }).await?;
            }
            Action::Suspend { pick } => {
                if let Some((_, sub)) = self.pick_sub(*pick, |sub| matches!(sub.state.as_str(), "in_use" | "frozen")) {
                    self.ask_only(operator, Request::Suspend { sub }).await?;
                }
            }
            Action::Resume { pick } => {
                if let Some((_, sub)) = self.pick_sub(*pick, |sub| sub.suspended_at.is_some()) {
                    self.ask_only(operator, Request::Resume { sub }).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) async fn buy(&mut self, buyer: Pick, seller: Pick, wanted: &[Wanted], paid: Paid) -> Holds {
        let buyer = self.buyer(buyer);
        let skus = self.people.shops[place(seller, self.people.shops.len())].skus;
        let items: Vec<_> = wanted.iter().map(|wanted| item(skus, *wanted)).collect();
        let quoted = self.quote(buyer, &items).await?;
        let expected = quoted.as_ref().ok().copied();
        let placed = self.ask_and_hear(buyer, Request::Place { buyer: buyer.account, items, expected }).await?;
        let agrees = match (&quoted, &placed) {
            (Ok(total), Ok(answer)) => answer["total"] == *total,
            (Err(no), Err(refused)) => no == refused,
            _ => false,
        };
        if !agrees {
            return violated(Invariant::ReadsAgree, format!("the quote was {quoted:?} and the order {placed:?}"));
        }
        self.pay_placed(buyer, placed, paid).await
    }

    /// What a purchase costs, as a buyer is shown it before ordering.
    pub(super) async fn quote(&mut self, buyer: Person, items: &[PurchaseItem]) -> Holds<Result<i64, Code>> {
        let process = self.process().await?;
        let (edition, items) = (process.market.edition().clone(), items.to_vec());
        let read = process.market.db().read(async move |tx| orders::quote_purchase(tx, &edition, Some(buyer.account), &items).await).await;
        match read {
            Ok(quote) => Ok(Ok(quote.total_minor)),
            Err(error) => error.code().map(Err).ok_or_else(|| fault("a quote", &error)),
        }
    }

    pub(super) async fn pay_placed(&mut self, buyer: Person, placed: Reply, paid: Paid) -> Holds {
        let Ok(answer) = placed else { return Ok(()) };
        if paid == Paid::Later {
            return Ok(());
        }
        self.look(Worked::No).await?;
        let number = answer["number"].as_str().unwrap_or_default().to_owned();
        self.ask_and_hear(buyer, Request::Pay { buyer: buyer.account, number }).await.map(drop)
    }

    pub(super) async fn pay(&mut self, pick: Pick, wanted: impl Fn(&str) -> bool) -> Holds {
        let Some((buyer, number)) = self.pick_order(pick, |state, kind| wanted(state) && kind != "UNSUBSCRIBE") else { return Ok(()) };
        self.ask_and_hear(buyer, Request::Pay { buyer: buyer.account, number }).await.map(drop)
    }

    pub(super) async fn of_subscription(&mut self, action: &Action) -> Holds {
        let alive = |sub: &SubRow| matches!(sub.state.as_str(), "in_use" | "frozen");
        match action {
            Action::Renew { pick, months, changes, paid } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, |sub| alive(sub) && sub.mode == "PERIOD") else { return Ok(()) };
                let mut input = RenewalInput::same(period(*months));
                if *changes {
                    let row = self.known.sub(&sub.to_string());
                    input.quantity = row.map(|row| 1 + (row.quantity % 5));
                    if !self.check_renewal(buyer, sub, &input).await? {
                        return Ok(());
                    }
                }
                let placed = self.ask_and_hear(buyer, Request::PlaceRenewal { buyer: buyer.account, sub, input }).await?;
                self.pay_placed(buyer, placed, *paid).await
            }
            Action::Change { pick, pro, more, paid } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, |sub| alive(sub) && sub.mode == "PERIOD") else { return Ok(()) };
                let Some(row) = self.known.sub(&sub.to_string()) else { return Ok(()) };
                let quantity = row.quantity + more;
                let same: Option<SkuId> = row.sku.parse().ok();
                let shop = self.people.shops.iter().find(|shop| shop.who.account.to_string() == row.seller);
                let Some(sku) = shop.and_then(|shop| if *pro { Some(shop.skus[1]) } else { same }) else { return Ok(()) };
                let placed = self.ask_and_hear(buyer, Request::PlaceChange { buyer: buyer.account, sub, sku, quantity }).await?;
                self.pay_placed(buyer, placed, *paid).await
            }
            Action::SetRenewing { pick, renewing, stale } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, |sub| alive(sub) || sub.state == "opening") else { return Ok(()) };
                let version = self.known.sub(&sub.to_string()).map_or(0, |row| row.version) - i64::from(*stale);
                let request = Request::SetRenewing { buyer: buyer.account, sub, version, renewal: renewal(*renewing) };
                self.ask_and_hear(buyer, request).await.map(drop)
            }
            Action::Return { pick } => {
                let Some((buyer, sub)) = self.pick_sub(*pick, alive) else { return Ok(()) };
                self.ask_and_hear(buyer, Request::Return { buyer: buyer.account, sub }).await.map(drop)
            }
            Action::ReturnRenewal { pick } => {
                let Some((buyer, number)) = self.pick_order(*pick, |state, kind| kind == "RENEW" && state != "cancelled") else {
                    return Ok(());
                };
                self.ask_and_hear(buyer, Request::ReturnRenewal { buyer: buyer.account, number }).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn of_seller(&mut self, action: &Action) -> Holds {
        let shop = |this: &Self, seller: Pick| -> Shop { this.people.shops[place(seller, this.people.shops.len())].clone() };
        match action {
            Action::Hide { seller } => {
                let Shop { who, product, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::Hide { seller: who.account, product }).await.map(drop)
            }
            Action::Show { seller } => {
                let Shop { who, product, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::Show { seller: who.account, product }).await.map(drop)
            }
            Action::RetireSku { seller, sku } => {
                let Shop { who, skus, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::RetireSku { seller: who.account, sku: skus[place(*sku, skus.len())] }).await.map(drop)
            }
            Action::RetireProduct { seller } => {
                let Shop { who, product, .. } = shop(self, *seller);
                self.ask_and_hear(who, Request::RetireProduct { seller: who.account, product }).await.map(drop)
            }
            Action::Reprice { seller, percent } => {
                let Shop { who, product, .. } = shop(self, *seller);
                let process = self.process().await?;
                let read = process.market.db().read(async move |tx| catalog::get_of_seller(tx, who.account, product).await).await;
                let draft = read.map_err(|error| fault("a seller's product", &error))?.draft;
                let content = Box::new(repriced(draft, *percent));
                self.ask_and_hear(who, Request::Revise { seller: who.account, product, content }).await.map(drop)
            }
            Action::Restart { pick } => {
                let restartable = |state: &str| matches!(state, "gave_up" | "waiting" | "polling");
                let calls: Vec<_> = self.known.calls.iter().filter(|call| restartable(&call.state)).map(|call| call.id.clone()).collect();
                let Some(id) = pick_of(&calls, *pick).cloned() else { return Ok(()) };
                self.restart(&id).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn restart(&mut self, id: &str) -> Holds {
        let of = self.known.calls.iter().find(|call| call.id == id).and_then(|call| self.known.sub(&call.sub));
        let who = of.and_then(|sub| self.people.shops.iter().find(|shop| shop.who.account.to_string() == sub.seller)).map(|shop| shop.who);
        let (Some(who), Ok(call)) = (who, id.parse()) else { return Ok(()) };
        self.ask_only(who, Request::Restart { seller: who.account, call }).await.map(drop)
    }
}

/// What asks a seller at once.
impl History {
    pub(super) async fn check_renewal(&mut self, buyer: Person, sub: SubscriptionId, input: &RenewalInput) -> Holds<bool> {
        let input = input.clone();
        let asked = self.calling(async move |market, ctx| delivery::check_renewal(market, ctx, buyer.account, sub, &input).await).await?;
        self.look(Worked::No).await?;
        Ok(asked.is_some())
    }

    pub(super) async fn replay(&mut self, pick: Pick) -> Holds {
        let Some(call) = pick_of(&self.known.calls, pick) else { return Ok(()) };
        let (Ok(id), Some(sub)) = (call.id.parse(), self.known.sub(&call.sub)) else { return Ok(()) };
        let Ok(seller) = sub.seller.parse() else { return Ok(()) };
        self.calling(async move |market, ctx| delivery::replay(market, ctx, seller, id).await).await.map(drop)
    }

    pub(super) async fn look_at_instance(&mut self, pick: Pick) -> Holds {
        let Some((buyer, sub)) = self.pick_sub(pick, |_| true) else { return Ok(()) };
        self.calling(async move |market, ctx| delivery::instance(market, ctx, buyer.account, sub).await).await.map(drop)
    }
}

/// The same key again.
impl History {
    pub(super) async fn again(&mut self, pick: Pick) -> Holds {
        let done: Vec<_> = (0..self.answered.len()).filter(|place| self.answered[*place].reply.is_ok()).collect();
        let Some(Answered { request, who, key, reply }) = pick_of(&done, pick).map(|place| &self.answered[*place]) else { return Ok(()) };
        let (request, who, key, first) = (request.clone(), *who, key.clone(), reply.clone());
        let second = self.ask_with(who, &request, &key, "").await?;
        if second != first {
            return violated(Invariant::Acknowledged, format!("{request:?} was answered {first:?}, and {second:?} when it came again"));
        }
        self.nothing_changed(&request).await
    }

    pub(super) async fn conflict(&mut self, pick: Pick) -> Holds {
        let done: Vec<_> = (0..self.answered.len()).filter(|place| self.answered[*place].reply.is_ok()).collect();
        let Some(Answered { request, who, key, .. }) = pick_of(&done, pick).map(|place| &self.answered[*place]) else { return Ok(()) };
        let (request, who, key) = (request.clone(), *who, key.clone());
        let reply = self.ask_with(who, &request, &key, "another request").await?;
        if reply != Err(Code::IdempotencyConflict) {
            return violated(Invariant::Acknowledged, format!("another request with the key of {request:?} was answered {reply:?}"));
        }
        Ok(())
    }
}

fn period(months: i64) -> Period {
    if months % 12 == 0 { Period { unit: PeriodUnit::Year, count: months / 12 } } else { Period { unit: PeriodUnit::Month, count: months } }
}

fn renewal(renewing: Renewing) -> Renewal {
    let auto = |unit, times| Renewal { mode: RenewalMode::Auto, period: Some(Period { unit, count: 1 }), times };
    match renewing {
        Renewing::ByHand => Renewal::MANUAL,
        Renewing::Monthly(times) => auto(PeriodUnit::Month, times),
        Renewing::Yearly => auto(PeriodUnit::Year, None),
        Renewing::Never => Renewal { mode: RenewalMode::None, ..Renewal::MANUAL },
    }
}

fn item(skus: [SkuId; 3], wanted: Wanted) -> PurchaseItem {
    let sku = place(wanted.sku, skus.len());
    if sku == 2 {
        return PurchaseItem { sku_id: skus[2], period: None, quantity: 1, renewal: None };
    }
    let renewal = Some(renewal(wanted.renewing));
    PurchaseItem { sku_id: skus[sku], period: Some(period(wanted.months)), quantity: wanted.quantity, renewal }
}
