//! Every statement of the program is understood by the engine.

use crate::support::TestMarket;

#[tokio::test]
async fn every_statement_prepares() {
    let test = TestMarket::new().await;
    let broken = test
        .market
        .db()
        .read(async |tx| {
            let mut broken = Vec::new();
            for statement in db::registered() {
                if let Err(error) = tx.prepare_only(statement).await {
                    broken.push(format!("{}: {error:?}", statement.place()));
                    break;
                }
            }
            Ok(broken)
        })
        .await
        .unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(db::registered().len() > 30);
}
