//! What a seller remembers, and its rules for doing things once.
//!
//! Everything here is in memory and without I/O: a call goes in, an [`Answer`] comes out, and [`Book::take_unsaved`] says whether there is
//! something to write down.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::{Deserialize, Serialize};
use wire::koogallery_v2::{Answer, AppInfo, InstanceInfo, InstanceStatus, OrderLineRef, Request, ResultCode};

use crate::Opening;

/// Most instances that are kept, released ones included (ours). Beyond it the seller is sold out.
const INSTANCES_MAX: usize = 100_000;
/// Most orders that are remembered for one instance (ours); a renewal a month for twenty years.
const LATER_ORDERS_MAX: usize = 240;
/// What every buyer is told with the access data; Chinese, to show that UTF-8 simply works.
const MEMO: &str = "首次登录后请修改初始密码。Change the initial password after the first sign-in.";

/// How an instance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being made; this many more queries are answered `000004`.
    Opening {
        /// How many.
        polls_left: u32,
    },
    /// In service.
    Active,
    /// Out of service, the data is kept (spec: protocol §1.9).
    Frozen,
    /// Gone with its data (spec: protocol §1.10). The record stays, so that a repeated release is known to be one.
    Released,
}

impl State {
    /// The state for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Opening { .. } => "opening",
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Released => "released",
        }
    }
}

/// A password that does not show itself in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitialPassword(pub String);

impl fmt::Debug for InitialPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One instance, as the seller remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// The businessId of the first call for its order, as the documentation recommends (spec: protocol §1.6).
    pub instance_id: String,
    /// The order that it was bought with.
    pub order_id: String,
    /// The line of that order.
    pub order_line_id: String,
    /// When it was first asked for, machine ms UTC.
    pub opened_at: i64,
    /// How it stands.
    pub state: State,
    /// When it expires, ms UTC, once a `refreshInstance` said so.
    pub expires_at: Option<i64>,
    /// The product it was last changed to by a `refreshInstance`.
    pub product_id: Option<String>,
    /// `orderId/orderLineId` of each renewal, upgrade and refund that was carried out, oldest first.
    pub later_orders: Vec<String>,
    /// The administrator's initial password.
    pub password: InitialPassword,
}

/// The seller's memory.
#[derive(Debug, Default)]
pub(crate) struct Book {
    instances: BTreeMap<String, InstanceRecord>,
    by_order: HashMap<(String, String), String>,
    unsaved: bool,
}

/// What a call brings along besides the request itself.
pub(crate) struct Circumstances<'a> {
    /// How fast new instances open.
    pub(crate) opening: Opening,
    /// Where buyers reach the service.
    pub(crate) site_url: &'a str,
    /// Machine time, ms UTC.
    pub(crate) now: i64,
    /// For an instance that this call may make.
    pub(crate) password: InitialPassword,
}

impl Book {
    pub(crate) fn from_records(records: Vec<InstanceRecord>) -> Self {
        let by_order = records.iter().map(|it| (order_key(&it.order_id, &it.order_line_id), it.instance_id.clone())).collect();
        let instances = records.into_iter().map(|it| (it.instance_id.clone(), it)).collect();
        Self { instances, by_order, unsaved: false }
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &InstanceRecord> {
        self.instances.values()
    }

    pub(crate) fn find(&self, instance_id: &str) -> Option<&InstanceRecord> {
        self.instances.get(instance_id)
    }

    pub(crate) fn instance_of(&self, order: &OrderLineRef) -> Option<&str> {
        self.by_order.get(&order_key(&order.order_id, &order.order_line_id)).map(String::as_str)
    }

    /// Whether something was changed since the last [`Book::saved`].
    pub(crate) fn is_unsaved(&self) -> bool {
        self.unsaved
    }

    pub(crate) fn saved(&mut self) {
        self.unsaved = false;
    }

    /// Does what a verified, real call asks for.
    pub(crate) fn act(&mut self, request: &Request, with: Circumstances<'_>) -> Answer {
        match request {
            Request::NewInstance { order, business_id } => self.create(order, business_id, with),
            Request::QueryInstance { instance_ids } => self.query(instance_ids, with.site_url),
            Request::RefreshInstance { order, instance_id, product_id, expire_at_ms, .. } => self.once(instance_id, order, |it| {
                it.expires_at = Some(*expire_at_ms);
                if product_id.is_some() {
                    it.product_id.clone_from(product_id);
                }
            }),
            // What it is upgraded to stands in the order, which a real seller reads with the order query (spec: protocol §1.11).
            Request::UpgradeInstance { instance_id, order } => self.once(instance_id, order, |_| ()),
            Request::UpdateInstanceStatus { instance_id, status } => self.change_status(instance_id, *status),
            Request::ReleaseInstance { instance_id, order } => self.release(instance_id, order.as_ref()),
            Request::ChangeInstanceCheck { instance_id, .. } => match self.living(instance_id) {
                Some(_) => Answer::success(),
                None => Answer::of(&ResultCode::InstanceUnknown),
            },
            // Nothing is provisioned for such an order; a real seller would read it and write its invoice (spec: protocol §7).
            Request::OrderNotify { .. } => Answer::success(),
        }
    }

    /// Spec: protocol §1.6. The same order line always means the same instance, whatever the businessId.
    fn create(&mut self, order: &OrderLineRef, business_id: &str, with: Circumstances<'_>) -> Answer {
        if let Some(known) = self.instance_of(order).and_then(|id| self.find(id)) {
            return created(known);
        }
        if self.instances.contains_key(business_id) {
            return Answer::of(&ResultCode::InvalidParameter).message("businessId was used for another order, send a new one");
        }
        if self.instances.len() >= INSTANCES_MAX {
            return Answer::of(&ResultCode::NoResource);
        }
        let record = InstanceRecord {
            instance_id: business_id.to_owned(),
            order_id: order.order_id.clone(),
            order_line_id: order.order_line_id.clone(),
            opened_at: with.now,
            state: match with.opening {
                Opening::AtOnce => State::Active,
                Opening::After(polls_left) => State::Opening { polls_left },
            },
            expires_at: None,
            product_id: None,
            later_orders: Vec::new(),
            password: with.password,
        };
        let answer = created(&record);
        self.by_order.insert(order_key(&order.order_id, &order.order_line_id), record.instance_id.clone());
        self.instances.insert(record.instance_id.clone(), record);
        self.unsaved = true;
        answer
    }

    /// Spec: protocol §1.7. Of many ids, the ones that can be told about are; `000004` when all that is asked for is still being made.
    fn query(&mut self, instance_ids: &[String], site_url: &str) -> Answer {
        let mut info = Vec::new();
        let mut is_any_opening = false;
        for id in instance_ids {
            let Some(record) = self.instances.get_mut(id) else { continue };
            match &mut record.state {
                State::Opening { polls_left: 0 } => {
                    record.state = State::Active;
                    self.unsaved = true;
                    info.push(access_to(record, site_url));
                }
                State::Opening { polls_left } => {
                    *polls_left -= 1;
                    self.unsaved = true;
                    is_any_opening = true;
                }
                State::Active | State::Frozen => info.push(access_to(record, site_url)),
                State::Released => {}
            }
        }
        match (info.is_empty(), is_any_opening) {
            (false, _) => Answer::success().info(info),
            (true, true) => Answer::in_progress(),
            (true, false) => Answer::of(&ResultCode::InstanceUnknown),
        }
    }

    /// Carries an order out on an instance, unless it was carried out before (spec: protocol §1.8): a repeat that comes late must not undo
    /// what a newer order did.
    fn once(&mut self, instance_id: &str, order: &OrderLineRef, change: impl FnOnce(&mut InstanceRecord)) -> Answer {
        let key = format!("{}/{}", order.order_id, order.order_line_id);
        let Some(record) = self.living_mut(instance_id) else {
            return Answer::of(&ResultCode::InstanceUnknown);
        };
        if record.later_orders.contains(&key) {
            return Answer::success();
        }
        if record.later_orders.len() >= LATER_ORDERS_MAX {
            record.later_orders.remove(0);
        }
        record.later_orders.push(key);
        change(record);
        self.unsaved = true;
        Answer::success()
    }

    /// Spec: protocol §1.9.
    fn change_status(&mut self, instance_id: &str, status: InstanceStatus) -> Answer {
        let Some(record) = self.living_mut(instance_id) else {
            return Answer::of(&ResultCode::InstanceUnknown);
        };
        let state = match status {
            InstanceStatus::Freeze => State::Frozen,
            InstanceStatus::Unfreeze => State::Active,
        };
        if record.state != state {
            record.state = state;
            self.unsaved = true;
        }
        Answer::success()
    }

    /// Spec: protocol §1.10. Repeats succeed.
    fn release(&mut self, instance_id: &str, refund: Option<&OrderLineRef>) -> Answer {
        let Some(record) = self.instances.get_mut(instance_id) else {
            return Answer::of(&ResultCode::InstanceUnknown);
        };
        if record.state != State::Released {
            record.state = State::Released;
            record.later_orders.extend(refund.map(|order| format!("{}/{}", order.order_id, order.order_line_id)));
            self.unsaved = true;
        }
        Answer::success()
    }

    fn living(&self, instance_id: &str) -> Option<&InstanceRecord> {
        self.instances.get(instance_id).filter(|it| it.state != State::Released)
    }

    fn living_mut(&mut self, instance_id: &str) -> Option<&mut InstanceRecord> {
        self.instances.get_mut(instance_id).filter(|it| it.state != State::Released)
    }
}

fn order_key(order_id: &str, order_line_id: &str) -> (String, String) {
    (order_id.to_owned(), order_line_id.to_owned())
}

fn created(record: &InstanceRecord) -> Answer {
    let answer = match record.state {
        State::Opening { .. } => Answer::in_progress(),
        State::Active | State::Frozen | State::Released => Answer::success(),
    };
    answer.instance_id(&record.instance_id)
}

/// How the buyer reaches an instance. In V2.0 the password is plain text (spec: protocol §1.7).
fn access_to(record: &InstanceRecord, site_url: &str) -> InstanceInfo {
    InstanceInfo {
        instance_id: record.instance_id.clone(),
        app_info: Some(app_info(&record.instance_id, site_url, &record.password)),
        usage: Vec::new(),
    }
}

pub(crate) fn app_info(instance_id: &str, site_url: &str, password: &InitialPassword) -> AppInfo {
    AppInfo {
        front_end_url: Some(format!("{site_url}/instances/{instance_id}")),
        admin_url: Some(format!("{site_url}/instances/{instance_id}/admin")),
        user_name: Some("admin".to_owned()),
        password: Some(password.0.clone()),
        memo: Some(MEMO.to_owned()),
    }
}
