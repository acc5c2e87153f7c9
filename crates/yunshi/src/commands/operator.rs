//! `yunshi operator create`: the first person who runs the marketplace.

use std::fs;
use std::io::{self, BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result};
use kernel::Actor;
use market::accounts::{self, AccountKind, NewAccount, NewUser};

use crate::{
    cli::OperatorArgs,
    config::Config,
    failure::Failure,
    start::{self, Schema},
};

/// Random bytes of a password that is made here.
const PASSWORD_BYTES: usize = 12;
/// Longest line that is read as a password (ours); the rule for passwords is stricter.
const LINE_MAX_BYTES: u64 = 4_096;

pub(super) async fn create(config: &Config, args: OperatorArgs) -> Result<(), Failure> {
    let market = start::market(config, Schema::Migrate).await?;
    let ctx = market.ctx(Actor::Console, args.locale).await?;
    let given = args.password_file.as_deref().map(read).transpose()?;
    let password = given.clone().unwrap_or_else(|| hex::encode(ctx.entropy.bytes::<PASSWORD_BYTES>()));
    let hash = accounts::hash(&password, &args.login, &ctx.entropy).await?;
    let new = NewAccount { name: args.account, kind: AccountKind::Enterprise, title: args.title };
    let admin =
        NewUser { login: args.login, name: args.name, email: args.email, phone: String::new(), locale: args.locale, password: hash };
    let (account, user) = market.db().write(async move |tx| accounts::create_operator(tx, &ctx, new.clone(), admin.clone()).await).await?;
    println!("account:    {} ({})", account.name, account.id);
    println!("sign in as: {}", user.login);
    if given.is_none() {
        println!("password:   {password}");
        println!("The password is shown only now; change it after the first sign-in.");
    }
    Ok(())
}

/// The first line of a file, or of standard input.
fn read(path: &Path) -> Result<String> {
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(fs::File::open(path).with_context(|| format!("cannot read the password from {}", path.display()))?)
    };
    let mut line = String::new();
    io::BufReader::new(source.take(LINE_MAX_BYTES)).read_line(&mut line).context("cannot read the password")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
