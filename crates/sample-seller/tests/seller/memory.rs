//! What a seller remembers when it is started again.

use std::{fs, path::Path};

use sample_seller::{Opening, Seller, Settings, StateError};
use wire::koogallery_v2::{Failure, Outcome, Request, ResultCode};

use crate::support::{DONE, Running, line, made, purchase, query, settings, told_about};

fn remembering(path: &Path) -> Settings {
    Settings { state_file: Some(path.to_owned()), ..settings() }
}

#[tokio::test]
async fn a_restarted_seller_remembers_everything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seller.json");
    let upgrade = Request::UpgradeInstance { instance_id: "biz-1".to_owned(), order: line("CS2") };
    let before = {
        let running = Running::start(Settings { opening: Opening::After(1), ..remembering(&file) }).await;
        running.call(&purchase("CS1", "biz-1")).await;
        running.call(&query(&["biz-1"])).await;
        running.call(&upgrade).await;
        running.call(&purchase("CS9", "biz-9")).await;
        running.seller.instances()
    };
    let running = Running::start(remembering(&file)).await;
    assert_eq!(running.seller.instances(), before);
    assert_eq!(running.call(&purchase("CS1", "biz-2")).await, Outcome::Pending { instance_id: Some("biz-1".to_owned()) });
    assert!(told_about(&running, "biz-1").await.app_info.is_some(), "the poll that was answered before the restart counts");
    assert_eq!(running.call(&purchase("CS1", "biz-2")).await, made("biz-1"));
    running.call(&upgrade).await;
    assert_eq!(running.seller.instance("biz-1").unwrap().later_orders.len(), 1, "the upgrade was carried out before the restart");
}

#[tokio::test]
async fn nothing_is_said_to_be_done_that_is_not_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    let file = home.join("seller.json");
    let running = Running::start(remembering(&file)).await;
    fs::remove_dir(&home).unwrap();
    let outcome = running.call(&purchase("CS1", "biz-1")).await;
    assert_eq!(outcome, Outcome::Retry(Failure::Answered(ResultCode::InternalError)));

    fs::create_dir(&home).unwrap();
    assert_eq!(running.call(&purchase("CS1", "biz-2")).await, made("biz-1"), "the repeat writes down what the first call began");
    assert_eq!(Running::start(remembering(&file)).await.seller.instances(), running.seller.instances());
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone_and_leaves_nothing_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seller.json");
    let running = Running::start(remembering(&file)).await;
    running.call(&purchase("CS1", "biz-1")).await;
    running.call(&Request::ReleaseInstance { instance_id: "biz-1".to_owned(), order: None }).await;
    assert_eq!(running.call(&Request::OrderNotify { order: line("CS5") }).await, DONE);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_of_something_else_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seller.json");
    fs::write(&file, "my diary").unwrap();
    assert!(matches!(Seller::new(remembering(&file)), Err(StateError::Foreign { .. })));
    fs::write(&file, r#"{"format":2,"instances":[]}"#).unwrap();
    assert!(matches!(Seller::new(remembering(&file)), Err(StateError::Format { format: 2, .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), r#"{"format":2,"instances":[]}"#);
}
