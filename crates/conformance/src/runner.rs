//! Performs the exchanges of the cases, and cleans up behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use kernel::Entropy;
use outbound::{AddressPolicy, CallError, CallFailure, Client, Policy, Response, SchemePolicy, check_url};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::case::{Action, Case, Check, Expect, Manner, Need, No, NonceForm, Order, Severity, Step, Twist, Which};
use crate::cases::MAIN;
use crate::dialect::{Ask, Broken, Heard, Ids, Outgoing, Proof, Remark, Reply, Way};
use crate::judge::{Facts, Finding, Judged, Level, Subject, judge};
use crate::place::{Place, place_of};
use crate::plan::{CannotRun, Plan};
use crate::reason::Reason;
use crate::report::{CaseReport, Cleanup, Exchange, Report, Skipped, Verdict};

/// What the orders of every check begin with, so that a seller can tell them from real ones (ours).
const ORDER_PREFIX: &str = "CSCHECK";
/// Random bytes that make the orders of a run its own.
const RUN_BYTES: usize = 8;
/// How much longer than allowed an answer is waited for, to be able to say how long it took (ours).
const PATIENCE_FACTOR: u32 = 2;
/// Longest wait between two of them (ours).
const POLL_MAX: Duration = Duration::from_secs(5);
/// How far ahead renewals expire.
const YEAR_MS: i64 = 365 * 86_400_000;
/// Longest body that an exchange keeps (ours).
const KEPT_BODY_MAX_CHARS: usize = 16_384;

/// Tries the cases one after another and tells about each when it has ended. Whatever came of them, every instance that was opened is
/// released at the end, also when `stop` turns true.
///
/// `now` is the machine's time in ms UTC.
///
/// # Errors
/// When the server cannot be reached at all, or the address is none.
pub async fn run(
    plan: &Plan,
    entropy: &Entropy,
    now: impl Fn() -> i64,
    stop: watch::Receiver<bool>,
    mut on_case: impl FnMut(&CaseReport),
) -> Result<Report, CannotRun> {
    let policy = Policy { addresses: AddressPolicy::AllowAll, schemes: SchemePolicy::AllowHttp };
    let url = check_url(&plan.address, policy).map_err(|error| CannotRun::Address(error.to_string()))?;
    let place = place_of(&url).await?;
    let patience = plan.limits.answer * PATIENCE_FACTOR;
    let settings =
        outbound::Settings { policy, timeout: patience, extra_ca_file: plan.extra_ca_file.clone(), ..outbound::Settings::default() };
    let client = Client::new(settings)?;

    let started_at = now();
    let started = Instant::now();
    let mut run = Run::new(plan, entropy, &now, client, stop);
    let first = run.send(&Ask::Tell { instances: vec![run.nobody.clone()] }, Twist::None, Patience::Full).await;
    if let Reply::Broken(broken) = &first.reply {
        match broken.way {
            Way::NotSent => return Err(CannotRun::Address(broken.en.clone())),
            Way::NotConnected => return Err(CannotRun::Unreachable(broken.en.clone())),
            Way::NotTrusted | Way::Arrived => {}
        }
    }
    let mut cases = Vec::new();
    for case in &plan.cases {
        let report = run.case(case, &first, place, &cases).await;
        on_case(&report);
        cases.push(report);
    }
    let cleanup = run.clean_up().await;
    Ok(Report {
        dialect: plan.dialect,
        address: run.shown_address(),
        product: plan.product,
        started_at,
        elapsed_ms: millis(started.elapsed()),
        cases,
        cleanup,
    })
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Full,
    /// The line is cut then.
    CutAfter(Duration),
}

/// How a case ended.
enum Ended {
    Judged(Vec<Finding>),
    Skipped(Skipped, Reason),
}

/// How a step ended.
enum Stepped {
    On(Vec<Finding>),
    NotOffered,
}

struct Run<'a, N> {
    plan: &'a Plan,
    entropy: &'a Entropy,
    now: &'a N,
    client: Client,
    stop: watch::Receiver<bool>,
    /// When there is no more time for cases.
    deadline: Instant,
    /// What the ids of this run have in common.
    id: String,
    nobody: String,
    facts: Facts,
    /// Orders that got no instance, and why.
    failed: BTreeMap<Order, Reason>,
    /// Orders that were asked for without an answer that can be read.
    unsettled: BTreeSet<Order>,
    /// Every instance that was named for one of our orders.
    opened: BTreeSet<String>,
    released: BTreeSet<String>,
    /// Named, and said to be in progress.
    pending: BTreeSet<String>,
    /// Whether the first order's instance was ever said to be in progress.
    main_was_pending: bool,
    /// Told about at least once.
    told: BTreeSet<String>,
    /// The code with which the server refuses what it does not know, once it was asked.
    nonsense: Option<Option<String>>,
    last: Option<Outgoing>,
    exchanges: Vec<Exchange>,
}

impl<'a, N: Fn() -> i64> Run<'a, N> {
    fn new(plan: &'a Plan, entropy: &'a Entropy, now: &'a N, client: Client, stop: watch::Receiver<bool>) -> Self {
        Self {
            plan,
            entropy,
            now,
            client,
            stop,
            deadline: Instant::now() + plan.limits.total,
            id: hex::encode_upper(entropy.bytes::<RUN_BYTES>()),
            nobody: uuid(entropy),
            facts: Facts::default(),
            failed: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            opened: BTreeSet::new(),
            released: BTreeSet::new(),
            pending: BTreeSet::new(),
            main_was_pending: false,
            told: BTreeSet::new(),
            nonsense: None,
            last: None,
            exchanges: Vec::new(),
        }
    }

    async fn case(&mut self, case: &'static Case, first: &Heard, place: Place, past: &[CaseReport]) -> CaseReport {
        let from = self.exchanges.len();
        let started = Instant::now();
        let (verdict, findings) = match self.ended(case, first, place, past).await {
            Ended::Judged(findings) => (verdict(case.severity, &findings), findings),
            Ended::Skipped(why, reason) => (Verdict::Skip(why), vec![Finding { level: Level::Note, reason }]),
        };
        let exchanges = match case.check {
            // The very first call was made before any case.
            Check::FirstAnswer => self.exchanges[..1].to_vec(),
            _ => self.exchanges[from..].to_vec(),
        };
        let source = self.plan.dialect.source(case).unwrap_or_default();
        CaseReport { case, source, verdict, findings, elapsed_ms: millis(started.elapsed()), exchanges }
    }

    async fn ended(&mut self, case: &Case, first: &Heard, place: Place, past: &[CaseReport]) -> Ended {
        if let Some((why, reason)) = self.skipped(case, past) {
            return Ended::Skipped(why, reason);
        }
        for order in case.needs {
            if let Err(reason) = self.ensure_open(*order).await {
                let reason = if self.is_over() { self.over() } else { Reason::NoInstance(Box::new(reason)) };
                return Ended::Skipped(Skipped::Blocked, reason);
            }
        }
        match case.check {
            Check::Steps(steps) => self.steps(case, steps, past).await,
            Check::Address => address(first, place),
            Check::FirstAnswer => match &first.reply {
                Reply::Broken(broken) => Ended::Judged(vec![found(Level::Breach, Reason::Broken(broken.clone()))]),
                Reply::Done { .. } | Reply::Pending { .. } | Reply::Told(_) | Reply::Refused(_) => Ended::Judged(Vec::new()),
            },
            Check::Opening => self.opening().await,
            Check::Times => self.times(),
            Check::ContentTypes => self.oddities(|remark| remark.of_content_type),
            Check::Oddities => self.oddities(|remark| !remark.of_content_type),
        }
    }

    /// Why a case is not even begun.
    fn skipped(&self, case: &Case, past: &[CaseReport]) -> Option<(Skipped, Reason)> {
        if let Some(feature) = case.feature
            && self.plan.product.need(feature) == Need::Absent
        {
            return Some((Skipped::NotApplicable, Reason::NotForProduct(self.plan.product.word())));
        }
        let before = case.follows.and_then(|id| past.iter().find(|report| report.case.id == id));
        if let Some(before) = before {
            match before.verdict {
                Verdict::Fail => return Some((Skipped::Blocked, Reason::After(before.case.id))),
                Verdict::Skip(why) => return before.findings.first().map(|finding| (why, finding.reason.clone())),
                Verdict::Pass | Verdict::Warn => {}
            }
        }
        let needs_calls = matches!(case.check, Check::Steps(_) | Check::Opening);
        (needs_calls && self.is_over()).then(|| (Skipped::Blocked, self.over()))
    }

    fn is_over(&self) -> bool {
        *self.stop.borrow() || Instant::now() >= self.deadline
    }

    fn over(&self) -> Reason {
        if *self.stop.borrow() { Reason::Stopped } else { Reason::OutOfTime }
    }

    async fn steps(&mut self, case: &Case, steps: &[Step], past: &[CaseReport]) -> Ended {
        let need = case.feature.map(|feature| (feature, self.plan.product.need(feature)));
        // Whoever could do it once offers it.
        let was_done = case.follows.is_some_and(|id| past.iter().any(|report| report.case.id == id));
        let mut is_optional =
            !was_done && need.is_some_and(|(feature, need)| need == Need::Optional && !self.plan.required.contains(&feature));
        let mut findings = Vec::new();
        for step in steps {
            if step.only_with.is_some_and(|feature| self.plan.product.need(feature) != Need::Required) {
                continue;
            }
            if self.is_over() {
                return Ended::Skipped(Skipped::Blocked, self.over());
            }
            match self.step(step, is_optional).await {
                Stepped::On(found) => findings.extend(found),
                Stepped::NotOffered => return Ended::Skipped(Skipped::NotApplicable, Reason::NotOffered),
            }
            is_optional = false;
            if findings.iter().any(|finding| finding.level == Level::Breach) {
                break;
            }
        }
        Ended::Judged(findings)
    }

    async fn step(&mut self, step: &Step, is_optional: bool) -> Stepped {
        let ask = match self.ask(step.action) {
            Ok(ask) => ask,
            Err(reason) => return Stepped::On(vec![found(Level::Breach, reason)]),
        };
        let patience = match step.manner {
            Manner::Once => Patience::Full,
            Manner::CutShort => Patience::CutAfter(self.half_of_usual()),
            Manner::Together(count) => return Stepped::On(self.together(step, count).await),
        };
        self.asked(step, &ask, patience, is_optional).await
    }

    /// Asks, and asks again while the answer is only not yet right.
    async fn asked(&mut self, step: &Step, ask: &Ask, patience: Patience, is_optional: bool) -> Stepped {
        let limit = self.plan.limits.opening;
        let give_up_at = (Instant::now() + limit).min(self.deadline);
        let mut wait = self.plan.limits.first_poll;
        loop {
            let heard = self.send(ask, step.twist, patience).await;
            if is_optional && self.is_not_offered(&heard.reply).await {
                return Stepped::NotOffered;
            }
            let judged = self.judged(step, ask, &heard.reply);
            let reason = match judged {
                Judged::Right => return Stepped::On(Vec::new()),
                Judged::Found(finding) => return Stepped::On(vec![finding]),
                Judged::NotYet(reason) => reason,
            };
            // What was ready once does not become ready again.
            let was_ready = step.expect == Expect::Told
                && matches!(ask, Ask::Tell { instances } if self.told.is_superset(&instances.iter().cloned().collect()));
            if was_ready {
                return Stepped::On(vec![found(Level::Breach, reason)]);
            }
            if *self.stop.borrow() || Instant::now() + wait >= give_up_at {
                let reason = match step.expect {
                    Expect::ToldNoMore => reason,
                    _ => Reason::NeverReady { limit_ms: millis(limit), last: Box::new(reason) },
                };
                return Stepped::On(vec![found(Level::Breach, reason)]);
            }
            sleep(wait).await;
            wait = (wait * 2).min(POLL_MAX);
        }
    }

    /// Judges an answer and takes note of what it says.
    fn judged(&mut self, step: &Step, ask: &Ask, reply: &Reply) -> Judged {
        let order = match step.action {
            Action::Open(order) => Some(order),
            _ => None,
        };
        let subject = match (order, ask) {
            (Some(order), _) => Subject::Order(order),
            (None, Ask::Tell { instances }) => Subject::Instances(instances),
            (None, _) => Subject::Nobody,
        };
        let judged = judge(step.expect, subject, reply, &self.facts);
        if let Some(order) = order {
            self.note_opening(order, step.twist, reply);
        }
        if step.expect == Expect::Told
            && judged == Judged::Right
            && let Ask::Tell { instances } = ask
        {
            self.told.extend(instances.iter().cloned());
        }
        if let (Ask::Release { instance, .. }, Twist::None) = (ask, step.twist)
            && is_released(reply)
        {
            self.released.insert(instance.clone());
        }
        match (judged, order) {
            (Judged::Found(Finding { level: Level::Breach, reason: Reason::Refused(refusal) }), Some(MAIN)) => {
                let reason = Reason::PurchaseRefused(refusal);
                self.failed.insert(MAIN, reason.clone());
                Judged::Found(found(Level::Breach, reason))
            }
            (Judged::Found(finding), Some(order)) => {
                if finding.level == Level::Breach && self.facts.instance(order).is_none() {
                    self.failed.insert(order, finding.reason.clone());
                }
                Judged::Found(finding)
            }
            (judged, _) => judged,
        }
    }

    fn note_opening(&mut self, order: Order, twist: Twist, reply: &Reply) {
        if twist == Twist::Debugging {
            // Nothing was opened; the name may be anybody's.
            return;
        }
        let (instance, is_pending) = match reply {
            Reply::Done { instance: Some(instance) } => (instance, false),
            Reply::Pending { instance: Some(instance) } => (instance, true),
            Reply::Broken(Broken { way: Way::Arrived, .. }) if twist == Twist::None => {
                self.unsettled.insert(order);
                return;
            }
            _ => return,
        };
        self.unsettled.remove(&order);
        self.opened.insert(instance.clone());
        self.facts.note(order, instance);
        if is_pending {
            self.pending.insert(instance.clone());
            self.main_was_pending |= order == MAIN;
        } else {
            self.pending.remove(instance);
        }
    }

    /// Opens the order's instance if it is not yet, and waits until it is ready.
    async fn ensure_open(&mut self, order: Order) -> Result<(), Reason> {
        // Where the first purchase did not succeed, others are not tried.
        if let Some(reason) = self.failed.get(&order).or_else(|| self.failed.get(&MAIN)) {
            return Err(reason.clone());
        }
        if self.facts.instance(order).is_none() {
            let opening = Step::call(Action::Open(order), Expect::Opened);
            self.prepared(order, &opening).await?;
        }
        self.ready(order).await
    }

    async fn ready(&mut self, order: Order) -> Result<(), Reason> {
        let pending = self.facts.instance(order).filter(|instance| self.pending.contains(*instance));
        let Some(instance) = pending.map(str::to_owned) else { return Ok(()) };
        let step = Step::call(Action::Tell(&[]), Expect::Told);
        let ask = Ask::Tell { instances: vec![instance.clone()] };
        let findings = match self.asked(&step, &ask, Patience::Full, false).await {
            Stepped::On(findings) => findings,
            Stepped::NotOffered => Vec::new(),
        };
        match findings.into_iter().find(|finding| finding.level == Level::Breach) {
            None => {
                self.pending.remove(&instance);
                Ok(())
            }
            Some(finding) => {
                self.failed.insert(order, finding.reason.clone());
                Err(finding.reason)
            }
        }
    }

    async fn prepared(&mut self, order: Order, opening: &Step) -> Result<(), Reason> {
        let ask = self.ask(opening.action)?;
        let heard = self.send(&ask, Twist::None, Patience::Full).await;
        match self.judged(opening, &ask, &heard.reply) {
            Judged::Right => Ok(()),
            Judged::Found(finding) if finding.level != Level::Breach => Ok(()),
            Judged::Found(Finding { reason, .. }) | Judged::NotYet(reason) => {
                self.failed.insert(order, reason.clone());
                Err(reason)
            }
        }
    }

    async fn opening(&mut self) -> Ended {
        if let Err(reason) = self.ensure_open(MAIN).await {
            return Ended::Judged(vec![found(Level::Breach, reason)]);
        }
        if self.main_was_pending { Ended::Judged(Vec::new()) } else { Ended::Skipped(Skipped::NotApplicable, Reason::AtOnce) }
    }

    async fn together(&mut self, step: &Step, count: u8) -> Vec<Finding> {
        let mut asks = Vec::new();
        for _ in 0..count {
            match self.ask(step.action).and_then(|ask| Ok((self.outgoing(&ask, step.twist)?, ask))) {
                Ok(pair) => asks.push(pair),
                Err(reason) => return vec![found(Level::Breach, reason)],
            }
        }
        let calls = asks.iter().map(|(outgoing, _)| perform(&self.client, outgoing, Patience::Full));
        let answers = join_all(calls).await;
        let mut findings = Vec::new();
        for ((outgoing, ask), answer) in asks.iter().zip(&answers) {
            let heard = self.plan.dialect.read(ask, answer);
            self.record(outgoing, answer, &heard, Patience::Full);
            match self.judged(step, ask, &heard.reply) {
                Judged::Found(finding) => findings.push(finding),
                Judged::Right | Judged::NotYet(_) => {}
            }
        }
        findings.dedup();
        findings
    }

    /// Half the time of the fastest answer so far.
    fn half_of_usual(&self) -> Duration {
        let fastest =
            self.exchanges.iter().filter(|exchange| exchange.opens && exchange.is_whole()).map(|exchange| exchange.elapsed_ms).min();
        Duration::from_millis((fastest.unwrap_or_default() / 2).max(1).unsigned_abs())
    }

    async fn is_not_offered(&mut self, reply: &Reply) -> bool {
        let Reply::Refused(refusal) = reply else { return false };
        if self.nonsense.is_none() {
            let heard = self.send(&Ask::Nonsense, Twist::None, Patience::Full).await;
            self.nonsense = Some(match heard.reply {
                Reply::Refused(refusal) => Some(refusal.code),
                Reply::Done { .. } | Reply::Pending { .. } | Reply::Told(_) | Reply::Broken(_) => None,
            });
        }
        self.nonsense.as_ref().is_some_and(|code| code.as_ref() == Some(&refusal.code))
    }

    async fn send(&mut self, ask: &Ask, twist: Twist, patience: Patience) -> Heard {
        let outgoing = match self.outgoing(ask, twist) {
            Ok(outgoing) => outgoing,
            Err(reason) => {
                let (en, zh) = (reason.text(kernel::Locale::En), reason.text(kernel::Locale::ZhCn));
                return Heard { reply: Reply::Broken(Broken { word: "not_sent", en, zh, way: Way::NotSent }), remarks: Vec::new() };
            }
        };
        let answer = perform(&self.client, &outgoing, patience).await;
        let heard = self.plan.dialect.read(ask, &answer);
        self.record(&outgoing, &answer, &heard, patience);
        self.last = Some(outgoing);
        heard
    }

    fn outgoing(&self, ask: &Ask, twist: Twist) -> Result<Outgoing, Reason> {
        if twist == Twist::Replayed
            && let Some(last) = &self.last
        {
            return Ok(last.clone());
        }
        let nonce = nonce(self.entropy, twist);
        let proof = Proof { access_key: &self.plan.access_key, now: (self.now)(), nonce: &nonce };
        self.plan.dialect.call(&self.plan.address, ask, twist, proof).map_err(Reason::NotSent)
    }

    fn record(&mut self, outgoing: &Outgoing, answer: &Result<Response, CallError>, heard: &Heard, patience: Patience) {
        let (status, content_type, body, failure, elapsed_ms) = match answer {
            Ok(response) => {
                let text = self.plan.dialect.mask_body(&String::from_utf8_lossy(&response.body));
                (Some(response.status), response.content_type.clone(), Some(self.scrubbed(&text)), None, response.elapsed_ms)
            }
            Err(error) => (None, None, None, Some(error.failure.to_string()), error.elapsed_ms),
        };
        self.exchanges.push(Exchange {
            call: outgoing.label.clone(),
            url: self.shown_url(&outgoing.url),
            request: self.scrubbed(&outgoing.body),
            status,
            content_type,
            answer: body,
            failure,
            elapsed_ms,
            was_cut: patience != Patience::Full,
            opens: heard_opens(&heard.reply),
            is_readable: !matches!(heard.reply, Reply::Broken(_)),
            remarks: heard.remarks.clone(),
        });
    }

    /// The address without its own query, which may hold a secret.
    fn shown_address(&self) -> String {
        let bare = self.plan.address.split('#').next().unwrap_or_default();
        match bare.split_once('?') {
            Some((before, query)) if !query.is_empty() => format!("{before}?…"),
            _ => bare.to_owned(),
        }
    }

    fn shown_url(&self, url: &str) -> String {
        let bare = self.plan.address.split('#').next().unwrap_or_default();
        let ours = url.strip_prefix(bare).unwrap_or_default();
        let own = self.plan.dialect.mask_url(&format!("?{}", ours.trim_start_matches(['?', '&'])));
        let address = self.shown_address();
        let joint = if address.ends_with('…') { own.replacen('?', "&", 1) } else { own };
        self.scrubbed(&format!("{}{}", address.trim_end_matches('?'), if joint.len() > 1 { joint } else { String::new() }))
    }

    /// Without the access key, should the server echo it, and not longer than is kept.
    fn scrubbed(&self, text: &str) -> String {
        let text = if self.plan.access_key.is_empty() { text.to_owned() } else { text.replace(&self.plan.access_key, "***") };
        text.chars().take(KEPT_BODY_MAX_CHARS).collect()
    }

    fn ids(&self, order: Order) -> Ids {
        let order_id = format!("{ORDER_PREFIX}{}{}", self.id, order.number);
        let line_id = format!("{order_id}-{:06}", order.line);
        Ids { order_id, line_id }
    }

    fn ask(&self, action: Action) -> Result<Ask, Reason> {
        // Whole seconds, as they are sent.
        let expires_at = ((self.now)() + YEAR_MS) / 1000 * 1000;
        Ok(match action {
            Action::Open(order) => Ask::Open { order: self.ids(order), business_id: uuid(self.entropy) },
            Action::Tell(which) => Ask::Tell { instances: which.iter().map(|which| self.instance(*which)).collect::<Result<_, _>>()? },
            Action::Renew(which, order) => Ask::Renew { instance: self.instance(which)?, order: self.ids(order), expires_at },
            Action::TakeBack(which, order) => Ask::TakeBack { instance: self.instance(which)?, order: self.ids(order), expires_at },
            Action::Freeze(which) => Ask::Freeze { instance: self.instance(which)? },
            Action::Unfreeze(which) => Ask::Unfreeze { instance: self.instance(which)? },
            Action::Upgrade(which, order) => Ask::Upgrade { instance: self.instance(which)?, order: self.ids(order) },
            Action::MayChange(which) => Ask::MayChange { instance: self.instance(which)? },
            Action::Release(which, order) => Ask::Release { instance: self.instance(which)?, order: order.map(|order| self.ids(order)) },
            Action::Nonsense => Ask::Nonsense,
        })
    }

    fn instance(&self, which: Which) -> Result<String, Reason> {
        match which {
            Which::Nobody => Ok(self.nobody.clone()),
            Which::Strange => Ok(format!("云市\"实例\"\\/'<&>\t\n😀-{}", self.id)),
            Which::Of(order) => {
                self.facts.instance(order).map(str::to_owned).ok_or_else(|| Reason::NoInstance(Box::new(Reason::OtherAnswer)))
            }
        }
    }

    fn times(&self) -> Ended {
        let waited: Vec<i64> = self.exchanges.iter().filter(|exchange| !exchange.was_cut).map(|exchange| exchange.elapsed_ms).collect();
        let limit_ms = millis(self.plan.limits.answer);
        let slowest_ms = waited.iter().copied().max().unwrap_or_default();
        let count = waited.iter().filter(|elapsed_ms| **elapsed_ms > limit_ms).count();
        Ended::Judged(vec![match count {
            0 => found(Level::Note, Reason::Fast { slowest_ms, count: waited.len() }),
            count => found(Level::Breach, Reason::Slow { slowest_ms, limit_ms, count }),
        }])
    }

    fn oddities(&self, wanted: impl Fn(&Remark) -> bool) -> Ended {
        if !self.exchanges.iter().any(|exchange| exchange.is_readable) {
            return Ended::Skipped(Skipped::Blocked, Reason::After("answers"));
        }
        let mut counts: Vec<(&Remark, usize)> = Vec::new();
        for remark in self.exchanges.iter().flat_map(|exchange| &exchange.remarks).filter(|remark| wanted(remark)) {
            match counts.iter_mut().find(|(known, _)| *known == remark) {
                Some((_, count)) => *count += 1,
                None => counts.push((remark, 1)),
            }
        }
        Ended::Judged(
            counts.into_iter().map(|(remark, count)| found(Level::Breach, Reason::Odd { remark: remark.clone(), count })).collect(),
        )
    }

    /// Releases every instance that was opened. An order whose answer was lost is asked for once more, to learn what it opened.
    async fn clean_up(&mut self) -> Cleanup {
        let from = self.exchanges.len();
        let over_at = Instant::now() + self.plan.limits.cleanup;
        let mut left = Vec::new();
        for order in self.unsettled.clone() {
            let step = Step::call(Action::Open(order), Expect::Whatever);
            if Instant::now() < over_at
                && let Ok(ask) = self.ask(step.action)
            {
                let heard = self.send(&ask, Twist::None, Patience::Full).await;
                self.judged(&step, &ask, &heard.reply);
            }
            if self.unsettled.contains(&order) {
                left.push(self.ids(order).line_id);
            }
        }
        let open: Vec<String> = self.opened.difference(&self.released).cloned().collect();
        for instance in open {
            if Instant::now() >= over_at || !self.release(&instance).await {
                left.push(instance);
            }
        }
        let released = self.opened.iter().filter(|id| self.released.contains(*id)).count();
        Cleanup { opened: self.opened.len(), released, left, exchanges: self.exchanges[from..].to_vec() }
    }

    /// As at the end of a subscription, and when that is refused, as after a refund.
    async fn release(&mut self, instance: &str) -> bool {
        for order in [None, Some(self.ids(Order::new("X0")))] {
            let ask = Ask::Release { instance: instance.to_owned(), order };
            let heard = self.send(&ask, Twist::None, Patience::Full).await;
            if is_released(&heard.reply) {
                self.released.insert(instance.to_owned());
                return true;
            }
        }
        false
    }
}

async fn perform(client: &Client, outgoing: &Outgoing, patience: Patience) -> Result<Response, CallError> {
    let call = client.post_json(&outgoing.url, outgoing.body.clone(), outgoing.headers);
    match patience {
        Patience::Full => call.await,
        Patience::CutAfter(limit) => {
            let limit_ms = millis(limit);
            let cut = CallError { failure: CallFailure::TimedOut { limit_ms }, elapsed_ms: limit_ms };
            timeout(limit, call).await.unwrap_or(Err(cut))
        }
    }
}

fn address(first: &Heard, place: Place) -> Ended {
    if let Reply::Broken(broken @ Broken { way: Way::NotTrusted, .. }) = &first.reply {
        return Ended::Judged(vec![found(Level::Breach, Reason::Broken(broken.clone()))]);
    }
    match place {
        Place::Near => Ended::Skipped(Skipped::NotApplicable, Reason::OwnNetwork),
        Place::Named => Ended::Judged(Vec::new()),
        Place::Numbered => Ended::Judged(vec![found(Level::Warn, Reason::NumericAddress)]),
    }
}

fn verdict(severity: Severity, findings: &[Finding]) -> Verdict {
    match (findings.iter().map(|finding| finding.level).max(), severity) {
        (None | Some(Level::Note), _) => Verdict::Pass,
        (Some(Level::Breach), Severity::Must) => Verdict::Fail,
        (Some(Level::Breach), Severity::Should) | (Some(Level::Warn), _) => Verdict::Warn,
    }
}

fn found(level: Level, reason: Reason) -> Finding {
    Finding { level, reason }
}

fn is_released(reply: &Reply) -> bool {
    match reply {
        Reply::Done { .. } | Reply::Pending { .. } => true,
        Reply::Refused(refusal) => refusal.no == No::UnknownInstance,
        Reply::Told(_) | Reply::Broken(_) => false,
    }
}

fn heard_opens(reply: &Reply) -> bool {
    matches!(reply, Reply::Done { instance: Some(_) } | Reply::Pending { instance: Some(_) })
}

/// A lower-case UUID of random bits, as the documentation's examples show.
fn uuid(entropy: &Entropy) -> String {
    let hex = hex::encode(entropy.bytes::<16>());
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// A nonce of one of the documented forms; 32 letters and digits for usual calls.
fn nonce(entropy: &Entropy, twist: Twist) -> String {
    match twist {
        Twist::Nonce(NonceForm::Hex64) => hex::encode_upper(entropy.bytes::<32>()),
        Twist::Nonce(NonceForm::Alphanumeric16) => alphanumeric(&entropy.bytes::<16>()),
        _ => alphanumeric(&entropy.bytes::<32>()),
    }
}

fn alphanumeric(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_public_address_is_a_name() {
        let first = Heard { reply: Reply::Told(Vec::new()), remarks: Vec::new() };
        let ended = |place| match address(&first, place) {
            Ended::Judged(findings) => verdict(Severity::Must, &findings),
            Ended::Skipped(why, _) => Verdict::Skip(why),
        };
        assert_eq!(ended(Place::Named), Verdict::Pass);
        assert_eq!(ended(Place::Numbered), Verdict::Warn);
        assert_eq!(ended(Place::Near), Verdict::Skip(Skipped::NotApplicable));
    }

    #[test]
    fn nonces_and_ids_have_the_documented_forms() {
        let entropy = Entropy::from_seed([1; 32]);
        assert_eq!(nonce(&entropy, Twist::None).len(), 32);
        assert_eq!(nonce(&entropy, Twist::Nonce(NonceForm::Alphanumeric16)).len(), 16);
        let hex = nonce(&entropy, Twist::Nonce(NonceForm::Hex64));
        assert!(hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)), "{hex}");
        assert_eq!(uuid(&entropy).len(), 36);
    }
}
