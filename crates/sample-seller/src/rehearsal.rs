//! Debugging calls (`testFlag` = 1): answered as the real call would be, with nothing changed (spec: protocol §1.13).
//!
//! The marketplace rehearses create, query, update, status and release one after another, with ids that a rehearsed create gave or that a
//! person typed in. None of them exists, so none of them is looked up.

use wire::koogallery_v2::{Answer, InstanceInfo, Request};

use crate::book::{Book, InitialPassword, app_info};

pub(crate) fn answer(book: &Book, request: &Request, site_url: &str) -> Answer {
    match request {
        // The same order line still means the same instance.
        Request::NewInstance { order, business_id } => Answer::success().instance_id(book.instance_of(order).unwrap_or(business_id)),
        Request::QueryInstance { instance_ids } => {
            let password = InitialPassword("Example#1".to_owned());
            let example = |id: &String| InstanceInfo {
                instance_id: id.clone(),
                app_info: Some(app_info(id, site_url, &password)),
                usage: Vec::new(),
            };
            Answer::success().info(instance_ids.iter().map(example).collect())
        }
        Request::RefreshInstance { .. }
        | Request::UpdateInstanceStatus { .. }
        | Request::ReleaseInstance { .. }
        | Request::UpgradeInstance { .. }
        | Request::ChangeInstanceCheck { .. }
        | Request::OrderNotify { .. } => Answer::success(),
    }
}
