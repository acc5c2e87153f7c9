//! The doors as programs of others find them: Huawei's published SDK core for the open API, and Schemathesis, which reads our document and
//! tries what it says.
//!
//! They are Python packages. The interpreter that has them is named by `YUNSHI_TEST_PYTHON`, which `cargo xtask test` sets.
#![allow(clippy::unwrap_used, missing_docs)]

mod order_query;
mod schemathesis;

use std::net::SocketAddr;
use std::num::NonZeroU32;

use testkit::world::World;
use web::{AppState, Settings};

/// Names the Python that has the packages.
const PYTHON: &str = "YUNSHI_TEST_PYTHON";

/// A market whose doors are open on the loopback.
struct Market {
    world: World,
    endpoint: String,
}

impl Market {
    async fn open() -> Self {
        let world = World::new().await;
        let many = NonZeroU32::new(100_000).unwrap();
        let settings = Settings { requests_per_second: many, requests_burst: many, ..Settings::default() };
        let router = web::app(AppState::new(world.market.clone(), settings).unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        // Ends with the runtime of the test.
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { world, endpoint }
    }
}

/// The Python that has the packages.
fn python() -> String {
    std::env::var(PYTHON)
        .unwrap_or_else(|_| panic!("{PYTHON} is not set: run the tests with `cargo xtask test`, which installs what is needed and sets it"))
}
