//! The document as Schemathesis reads it: whatever it makes up by what the document says, no answer is a fault and none is undocumented.
//!
//! Each of the three sides of the market is visited by somebody who may do everything there, with the ids of things that exist. The seed is
//! fixed, so that a failure is seen again; `YUNSHI_TEST_EXAMPLES` tries more of each operation than the few that a test run has time for.

use std::fmt::Write as _;
use std::process::Command;

use kernel::{Actor, Locale};
use market::accounts;
use serde_json::Value;
use testkit::world::{PASSWORD, months};

use crate::{Market, python};

/// Examples of each operation, beside those at the limits of its parameters.
const EXAMPLES: &str = "3";
/// What an answer is held against: no fault, and nothing that the document does not say.
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance";

/// Whose doors are visited together.
struct Tour {
    /// The account's name.
    account: &'static str,
    /// The paths of the side, as a regular expression.
    paths: &'static str,
    /// Lists whose first entry is visited by its id.
    lists: &'static [&'static str],
}

impl Market {
    /// A session of the owner of an account, who goes by its name.
    async fn session(&self, name: &str) -> String {
        let market = &self.world.market;
        let ctx = market.ctx(Actor::System("test"), Locale::En).await.unwrap();
        accounts::sign_in(market, &ctx, name, PASSWORD, "test").await.unwrap().token
    }
}

/// Where the first entry of a list is found, and its id: the head of the paths that lead to it, the name of their parameter, the id.
async fn first_of(market: &Market, token: &str, list: &str) -> (String, &'static str, String) {
    // Another test of this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("{}{list}", market.endpoint)).bearer_auth(token).send().await.unwrap();
    let page: Value = answer.error_for_status().unwrap().json().await.unwrap();
    let Some(entry) = page["items"].get(0) else { panic!("{list} is empty") };
    let name = if entry.get("number").is_some() { "number" } else { "id" };
    let id = [name, "account_id", "product_id"].into_iter().find_map(|name| entry[name].as_str());
    (format!("^{list}/"), name, id.unwrap_or_else(|| panic!("{entry} has no id")).to_owned())
}

/// Has Schemathesis visit the doors of a tour.
async fn visit(market: &Market, tour: &Tour) {
    let folder = tempfile::tempdir().unwrap();
    let token = market.session(tour.account).await;
    let mut config = format!("base-url = \"{}\"\nwarnings.fail-on = [\"missing_auth\"]\n", market.endpoint);
    for list in tour.lists {
        let (paths, name, id) = first_of(market, &token, list).await;
        write!(config, "\n[[operations]]\ninclude-path-regex = \"{paths}\"\nparameters = {{ \"path.{name}\" = \"{id}\" }}\n").unwrap();
    }
    let file = folder.path().join("schemathesis.toml");
    std::fs::write(&file, config).unwrap();
    let examples = std::env::var("YUNSHI_TEST_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let mut command = Command::new(python());
    command.args(["-m", "schemathesis.cli", "--config-file"]).arg(&file).arg("run").arg(format!("{}/openapi.json", market.endpoint));
    command.args(["--checks", CHECKS, "--max-examples", &examples, "--seed", "1", "--phases", "examples,coverage,fuzzing"]);
    command.args(["--include-path-regex", tour.paths, "--header", &format!("Authorization: Bearer {token}")]);
    // Whoever goes out cannot go on.
    command.args(["--exclude-path", "/api/v1/sessions/current"]);
    command.args(["--generation-database", "none", "--no-color"]).current_dir(folder.path()).env("NO_PROXY", "127.0.0.1");
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{}\n{told}\n{}", tour.paths, String::from_utf8_lossy(&ended.stderr));
}

/// A market with a past of seventy days, which is long enough for a statement.
struct Town {
    market: Market,
}

impl Town {
    async fn build() -> Self {
        let market = Market::open().await;
        let world = &market.world;
        let (shop, other) = (world.shop("nebula").await, world.shop("quasar").await);
        let (goods, buyer) = (world.goods(&shop).await, world.buyer("acme", 10_000_000).await);
        world.subscribe(buyer, months(goods.basic, 12, 7)).await;
        world.pass_days(70).await;
        world.submission(&other).await;
        Self { market }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doors_of_buyers_and_of_everybody_answer_as_documented() {
    let town = Town::build().await;
    let lists = &["/api/v1/orders", "/api/v1/subscriptions", "/api/v1/products", "/api/v1/users", "/api/v1/notices"];
    // The clock is left out: a number that is made up would have it work through centuries.
    let paths = "^/(?!api/v1/(seller|operator|sandbox|access-keys)/?)";
    visit(&town.market, &Tour { account: "acme", paths, lists }).await;
    town.market.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doors_of_sellers_answer_as_documented() {
    let town = Town::build().await;
    let lists = &[
        "/api/v1/seller/orders",
        "/api/v1/seller/subscriptions",
        "/api/v1/seller/products",
        "/api/v1/seller/addresses",
        "/api/v1/seller/calls",
        "/api/v1/seller/statements",
    ];
    visit(&town.market, &Tour { account: "nebula", paths: "^/api/v1/(seller|access-keys)/?", lists }).await;
    town.market.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doors_of_the_operator_answer_as_documented() {
    let town = Town::build().await;
    let lists = &[
        "/api/v1/operator/orders",
        "/api/v1/operator/subscriptions",
        "/api/v1/operator/products",
        "/api/v1/operator/accounts",
        "/api/v1/operator/sellers",
        "/api/v1/operator/listings",
        "/api/v1/operator/calls",
        "/api/v1/operator/statements",
    ];
    visit(&town.market, &Tour { account: "operator", paths: "^/api/v1/operator/", lists }).await;
    town.market.world.finish().await;
}
