//! `yunshi demo`: a market with a past, on this machine alone.
//!
//! The first start tells a [`story`] on the market's sandbox clock, which ends at this moment; from then on its clock ticks along with the
//! machine's. Everything is in one folder: the database, the master key, what the sellers' servers remember, and a configuration for the
//! other commands. The next start goes on where the last one ended.
//!
//! Invariants: a folder that is not a demo's is never touched; a story that was interrupted is told anew.

mod cast;
mod dice;
mod own_server;
mod shops;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::future::IntoFuture;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use market::Mode;
use market::edition::{Edition, EditionKind};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::cli::DemoArgs;
use crate::commands::{meter::Meter, serve};
use crate::config::Config;
use crate::failure::Failure;
use crate::start::{self, Schema};
use crate::stop::Stop;
use cast::{BUYERS, Firm, OPERATOR, SHOPS};
use own_server::Featured;
use shops::Shops;

/// Everybody's password on a machine of one's own.
const USUAL_PASSWORD: &str = "plum-blossom-2026";
/// The file that says that a folder holds a finished demo, and what its servers need to know.
const FACTS_FILE: &str = "demo.json";
/// The file that says that a folder holds a demo that is being made.
const UNFINISHED_FILE: &str = "unfinished";
/// The configuration for the other commands.
const CONFIG_FILE: &str = "yunshi.toml";
/// Where the sellers' servers remember.
const SELLERS_FOLDER: &str = "sellers";
/// Bytes of a seller's signing key.
const KEY_BYTES: usize = 16;

/// What a demo needs to know when it is started again.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    /// Everybody's password.
    password: String,
    /// Where the sellers' servers listen: their production addresses say so.
    sellers_listen: SocketAddr,
    /// The signing key of each shop.
    keys: BTreeMap<String, String>,
}

pub(crate) async fn run(base: &Config, args: DemoArgs) -> Result<(), Failure> {
    let stop = Stop::on_signals().context("cannot listen to signals")?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    if args.password.is_none() && !address.ip().is_loopback() {
        return Err(Failure::misused("a demo that others can reach needs a password of your own: --password"));
    }
    let folder = std::path::absolute(&args.dir).with_context(|| format!("cannot name the folder {}", args.dir.display()))?;
    let config = config_of(base, &folder, address);
    let known = facts_in(&folder, args.fresh)?;
    let is_new = known.is_none();
    let sellers_listen = known.as_ref().map_or(args.sellers_listen, |facts| facts.sellers_listen);
    let sellers = TcpListener::bind(sellers_listen).await.with_context(|| format!("the sellers cannot listen on {sellers_listen}"))?;
    let facts = match known {
        Some(facts) => facts,
        None => new_facts(args.password.clone(), sellers.local_addr().context("the listener has no address")?)?,
    };
    if is_new {
        start::make_folder(&folder)?;
        fs::write(folder.join(UNFINISHED_FILE), "").context("cannot write into the folder of the demo")?;
    }
    let shops = Shops::new(&format!("http://{}", facts.sellers_listen), &folder.join(SELLERS_FOLDER), &facts.keys)?;
    let sellers = tokio::spawn(axum::serve(sellers, shops.router()).into_future());
    if is_new {
        tokio::select! {
            made = make(&config, &facts, &shops, args.days) => made?,
            // What was begun is thrown away at the next start.
            () = stop.clone().wait() => return Ok(()),
        }
        save(&folder, &facts).context("cannot write into the folder of the demo")?;
    }
    write_config(&folder, address)?;
    let market = start::market(&config, Schema::Migrate).await?;
    if let Some((url, key)) = args.seller_url.as_ref().zip(args.access_key.as_ref()) {
        own_server::bind(&market, config.outbound().policy, url, key).await?;
    }
    let featured = own_server::featured(&market).await?;
    greet(&facts, address, &args, &featured);
    tokio::select! {
        served = serve::serve(&config, market, listener, stop) => served,
        _ = sellers => Err(Failure::failed("the sellers' servers ended")),
    }
}

/// The configuration of the demo: what the operator of this machine set about logs and limits, and nothing else of it.
fn config_of(base: &Config, folder: &Path, listen: SocketAddr) -> Config {
    Config {
        listen,
        public_url: None,
        data_dir: folder.to_owned(),
        database_url: None,
        mode: Mode::Sandbox,
        master_key: None,
        master_key_file: None,
        work_in_serve: true,
        allow_private_addresses: true,
        // Nobody is written to; everybody's password is printed for whoever starts it, so the outbox gives away nothing on one machine.
        mail_host: None,
        open_outbox: listen.ip().is_loopback(),
        edition: Edition::defaults(EditionKind::Cn),
        ..base.clone()
    }
}

/// What is known of the demo in `folder`; `None` when one is to be made there.
fn facts_in(folder: &Path, is_fresh: bool) -> Result<Option<Facts>> {
    let shown = folder.display();
    let (facts, unfinished) = (folder.join(FACTS_FILE), folder.join(UNFINISHED_FILE));
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("cannot look into {shown}")),
    };
    if is_empty {
        return Ok(None);
    }
    if !facts.exists() && !unfinished.exists() {
        bail!("{shown} holds something else than a demo; name another folder with --dir");
    }
    if is_fresh || unfinished.exists() {
        clear(folder).with_context(|| format!("cannot remove the old demo in {shown}"))?;
        return Ok(None);
    }
    let text = fs::read_to_string(&facts).with_context(|| format!("cannot read {}", facts.display()))?;
    let facts = serde_json::from_str(&text).with_context(|| format!("{} is damaged; begin anew with --fresh", facts.display()))?;
    Ok(Some(facts))
}

/// Removes what a demo makes; anything else in the folder stays. The mark of an unfinished demo goes last.
fn clear(folder: &Path) -> io::Result<()> {
    let unless_missing = |outcome: io::Result<()>| match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    fs::write(folder.join(UNFINISHED_FILE), "")?;
    unless_missing(fs::remove_dir_all(folder.join(SELLERS_FOLDER)))?;
    for name in [FACTS_FILE, CONFIG_FILE, "yunshi.sqlite", "yunshi.sqlite-wal", "yunshi.sqlite-shm", "master.key"] {
        unless_missing(fs::remove_file(folder.join(name)))?;
    }
    fs::remove_file(folder.join(UNFINISHED_FILE))
}

fn new_facts(password: Option<String>, sellers_listen: SocketAddr) -> Result<Facts> {
    let mut keys = BTreeMap::new();
    for shop in SHOPS {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).context("the machine has no random bytes")?;
        keys.insert(shop.firm.login.to_owned(), hex::encode(key));
    }
    Ok(Facts { password: password.unwrap_or_else(|| USUAL_PASSWORD.to_owned()), sellers_listen, keys })
}

/// Makes the market and tells its story.
async fn make(config: &Config, facts: &Facts, shops: &Shops, days: i64) -> Result<()> {
    // Nobody relies on it before it is finished, so nothing waits for the disk.
    let market = start::hurried_market(config).await?;
    let meter = Meter::new();
    let end = Timestamp::now().as_millisecond();
    let zone = &market.edition().zone;
    let hear = |now| meter.show(format_args!("the market lives until today: {}", zone.readable_minute(now)));
    story::tell(&market, shops, &facts.password, days, end, hear).await
}

/// Notes what the next start needs: the demo is finished.
fn save(folder: &Path, facts: &Facts) -> io::Result<()> {
    // Mode 0600: there are keys in it.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec_pretty(facts)?)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(FACTS_FILE))?;
    fs::remove_file(folder.join(UNFINISHED_FILE))
}

/// Writes the configuration with which the other commands find this market.
fn write_config(folder: &Path, listen: SocketAddr) -> Result<()> {
    let quoted = |text: String| toml::Value::String(text);
    let text = format!(
        "# Written by yunshi demo at every start.\nlisten = {}\ndata_dir = {}\nmode = \"sandbox\"\nallow_private_addresses = true\n",
        quoted(listen.to_string()),
        quoted(folder.display().to_string()),
    );
    let path = folder.join(CONFIG_FILE);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Says what there is and what to do next.
fn greet(facts: &Facts, address: SocketAddr, args: &DemoArgs, featured: &Featured) {
    let firm = |role: &str, firm: Firm| println!("  {role:<9} {:<10} {}", firm.login, firm.title);
    println!("\n云市 Yunshi: a marketplace to try things in. Everybody in it is invented.\n");
    println!("  market    http://{address}/");
    println!("  API       http://{address}/docs");
    if address.ip().is_loopback() {
        println!("  mails     http://{address}/outbox (sent to nobody)");
    }
    println!("  sellers   http://{}/ (their servers and instances)\n", facts.sellers_listen);
    println!("Sign in with the password {} as", facts.password);
    firm("operator", OPERATOR);
    for shop in SHOPS {
        firm("seller", shop.firm);
    }
    for buyer in BUYERS {
        firm("buyer", buyer);
    }
    if let Some(url) = &args.seller_url {
        println!("\n{} / {} is provided by {url} from now on.", featured.product.zh, featured.product.en);
    }
    tour(facts, address, &args.dir.join(CONFIG_FILE), featured);
}

/// A guided tour in commands: buy, see the call, let time pass, check the books.
fn tour(facts: &Facts, address: SocketAddr, config: &Path, featured: &Featured) {
    let api = format!("http://{address}/api/v1");
    let (buyer, seller, config) = (BUYERS[0].login, SHOPS[0].firm.login, config.display());
    let sign_in = |name: &str, login: &str| {
        format!(
            "{name}=$(curl -s {api}/sessions -H 'content-type: application/json' \\\n      -d '{{\"login\":\"{login}\",\"password\":\"{}\"}}' | sed -n 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/p')",
            facts.password
        )
    };
    let order = format!(
        "{{\"items\":[{{\"sku_id\":\"{}\",\"period\":{{\"unit\":\"month\",\"count\":1}},\"quantity\":{}}}]}}",
        featured.sku, featured.quantity
    );
    println!("\nA guided tour, in another terminal:\n");
    println!("  1 Sign in as a buyer, and buy {} for a month.", featured.product.en);
    println!("    {}", sign_in("BUYER", buyer));
    println!("    ORDER=$(curl -s {api}/orders -H \"authorization: Bearer $BUYER\" -H 'content-type: application/json' \\");
    println!("      -H \"idempotency-key: tour-$RANDOM\" -d '{order}' | grep -o 'CS[0-9A-Z]*' | head -n 1)");
    println!("    curl -s {api}/orders/$ORDER/pay -H \"authorization: Bearer $BUYER\" -H \"idempotency-key: pay-$ORDER\" -X POST");
    println!("  2 A moment later the seller's server has opened an instance; this is all that happened.");
    println!("    curl -s {api}/orders/$ORDER -H \"authorization: Bearer $BUYER\"");
    println!("    curl -s {api}/orders/$ORDER/timeline -H \"authorization: Bearer $BUYER\"");
    println!("  3 As the seller, look at the calls to your server.");
    println!("    {}", sign_in("SELLER", seller));
    println!("    curl -s '{api}/seller/calls?limit=3' -H \"authorization: Bearer $SELLER\"");
    println!("  4 Let a month pass: reminders, renewals, freezes, statements.  yunshi --config {config} clock advance 30d");
    println!("  5 Check every figure of the books.                             yunshi --config {config} verify");
    println!("\nIts clock ticks along with yours. Ctrl-C stops it; the next start goes on from there.\n");
}
