//! The sellers' servers: one sample seller for each shop, behind one port, each under its own path.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sample_seller::{Seller, Settings};
use wire::koogallery_v2::AccessKey;

use super::cast::SHOPS;
use crate::start;

/// The servers of all shops.
#[derive(Clone)]
pub(super) struct Shops {
    /// `http://` and where they listen.
    base: String,
    open: BTreeMap<&'static str, Open>,
}

/// One of them.
#[derive(Clone)]
struct Open {
    seller: Seller,
    key: String,
    is_down: Arc<AtomicBool>,
}

impl Shops {
    /// The servers with what they remember in `folder`; `keys` are their signing keys by the shop's name.
    pub(super) fn new(base: &str, folder: &Path, keys: &BTreeMap<String, String>) -> Result<Self> {
        start::make_folder(folder)?;
        let mut open = BTreeMap::new();
        for shop in SHOPS {
            let name = shop.firm.login;
            let key = keys
                .get(name)
                .with_context(|| format!("the demo in this folder is an older one without the shop {name}; begin anew with --fresh"))?;
            let settings = Settings {
                opening: shop.opening,
                state_file: Some(folder.join(format!("{name}.json"))),
                ..Settings::new(AccessKey::new(key), format!("{base}/{name}"))
            };
            let seller = Seller::new(settings).with_context(|| format!("the shop {name} cannot open"))?;
            open.insert(name, Open { seller, key: key.clone(), is_down: Arc::default() });
        }
        Ok(Self { base: base.to_owned(), open })
    }

    /// The production address of a shop.
    pub(super) fn address(&self, name: &str) -> String {
        format!("{}/{name}/saasproduce", self.base)
    }

    /// The key that calls to a shop are signed with.
    pub(super) fn key(&self, name: &str) -> &str {
        self.open.get(name).map_or("", |shop| &shop.key)
    }

    /// From here on, a shop's server fails, or works again.
    pub(super) fn set_down(&self, name: &str, is_down: bool) {
        if let Some(shop) = self.open.get(name) {
            shop.is_down.store(is_down, Ordering::Relaxed);
        }
    }

    pub(super) fn router(&self) -> Router {
        let front = self.open.keys().map(|name| format!("{}/{name}\n", self.base)).collect::<String>();
        let mut router = Router::new().route("/", get(async move || front));
        for (name, shop) in &self.open {
            let guarded = shop.seller.router().layer(middleware::from_fn_with_state(Arc::clone(&shop.is_down), unless_down));
            router = router.nest(&format!("/{name}"), guarded);
        }
        router
    }
}

async fn unless_down(State(is_down): State<Arc<AtomicBool>>, request: Request, next: Next) -> Response {
    if is_down.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "out of order\n").into_response();
    }
    next.run(request).await
}
