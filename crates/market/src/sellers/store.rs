//! All SQL of the sellers.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, AddressId, Code, Refusal, SellerKeyId};

use super::{Address, Checked, Dialect, Seller, SellerKey, SellerState};
use crate::page::PageRequest;

// ---- sellers ----

impl FromRow for Seller {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            account_id: row.take()?,
            state: row.take()?,
            company: row.take()?,
            website: row.take()?,
            contact_name: row.take()?,
            contact_email: row.take()?,
            contact_phone: row.take()?,
            bank_name: row.take()?,
            bank_account_hint: row.take()?,
            applied_at: row.take()?,
            decided_at: row.take()?,
            decided_by: row.take()?,
            reason: row.take()?,
            version: row.take()?,
        })
    }
}

/// What a statement wrote must be the row that was read: a step from another state is somebody else's.
fn one_row(changed: u64) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Refusal::new(Code::VersionStale).into()) }
}

pub(super) async fn seller(tx: &mut Tx, account: AccountId) -> Result<Option<Seller>> {
    let find = sql!(
        "SELECT account_id, state, company, website, contact_name, contact_email, contact_phone, bank_name, bank_account_hint,
           applied_at, decided_at, decided_by, reason, version
         FROM sellers WHERE account_id = $1"
    );
    tx.find(find, &[&account]).await
}

pub(super) async fn sellers(tx: &mut Tx, state: Option<SellerState>, page: &PageRequest) -> Result<Vec<Seller>> {
    match state {
        Some(state) => {
            let find = sql!(
                "SELECT account_id, state, company, website, contact_name, contact_email, contact_phone, bank_name, bank_account_hint,
                   applied_at, decided_at, decided_by, reason, version
                 FROM sellers WHERE state = $1 AND account_id > $2 ORDER BY account_id LIMIT $3"
            );
            tx.all(find, &[&state, &page.after, &page.fetch()]).await
        }
        None => {
            let find = sql!(
                "SELECT account_id, state, company, website, contact_name, contact_email, contact_phone, bank_name, bank_account_hint,
                   applied_at, decided_at, decided_by, reason, version
                 FROM sellers WHERE account_id > $1 ORDER BY account_id LIMIT $2"
            );
            tx.all(find, &[&page.after, &page.fetch()]).await
        }
    }
}

pub(super) async fn insert_seller(
    tx: &mut Tx,
    account: AccountId,
    state: SellerState,
    company: &str,
    checked: &Checked,
    now: i64,
) -> Result<()> {
    let insert = sql!(
        "INSERT INTO sellers (account_id, state, company, website, contact_name, contact_email, contact_phone, bank_name,
           bank_account_sealed, bank_account_hint, applied_at, decided_at, decided_by, reason, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, NULL, NULL, 1)"
    );
    let bank = checked.bank.as_ref().ok_or_else(|| db::Error::broken("an application without a bank account"))?;
    let c = checked;
    tx.execute(
        insert,
        &[
            &account,
            &state,
            &company,
            &c.website,
            &c.contact_name,
            &c.contact_email,
            &c.contact_phone,
            &bank.name,
            &bank.sealed,
            &bank.hint,
            &now,
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn apply_again(tx: &mut Tx, before: &Seller, state: SellerState, company: &str, now: i64) -> Result<()> {
    let update = sql!(
        "UPDATE sellers SET state = $1, company = $2, applied_at = $3, decided_at = NULL, decided_by = NULL, reason = NULL,
           version = version + 1
         WHERE account_id = $4 AND state = $5 AND version = $6"
    );
    one_row(tx.execute(update, &[&state, &company, &now, &before.account_id, &before.state, &before.version]).await?)
}

pub(super) async fn update_details(tx: &mut Tx, account: AccountId, checked: &Checked) -> Result<()> {
    let c = checked;
    let update = sql!(
        "UPDATE sellers SET website = $1, contact_name = $2, contact_email = $3, contact_phone = $4, version = version + 1
         WHERE account_id = $5"
    );
    one_row(tx.execute(update, &[&c.website, &c.contact_name, &c.contact_email, &c.contact_phone, &account]).await?)?;
    let Some(bank) = &c.bank else { return Ok(()) };
    let update = sql!("UPDATE sellers SET bank_name = $1, bank_account_sealed = $2, bank_account_hint = $3 WHERE account_id = $4");
    one_row(tx.execute(update, &[&bank.name, &bank.sealed, &bank.hint, &account]).await?)
}

pub(super) async fn set_state(tx: &mut Tx, before: &Seller, state: SellerState, now: i64, by: &str, reason: Option<&str>) -> Result<()> {
    let update = sql!(
        "UPDATE sellers SET state = $1, decided_at = $2, decided_by = $3, reason = CAST($4 AS TEXT), version = version + 1
         WHERE account_id = $5 AND state = $6 AND version = $7"
    );
    one_row(tx.execute(update, &[&state, &now, &by, &reason, &before.account_id, &before.state, &before.version]).await?)
}

pub(super) async fn sealed_bank(tx: &mut Tx, account: AccountId) -> Result<Option<(String, Vec<u8>)>> {
    tx.find(sql!("SELECT bank_name, bank_account_sealed FROM sellers WHERE account_id = $1"), &[&account]).await
}

// ---- signing keys ----

impl FromRow for SellerKey {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.take()?, name: row.take()?, hint: row.take()?, created_at: row.take()?, retired_at: row.take()? })
    }
}

pub(super) async fn count_keys(tx: &mut Tx, seller: AccountId) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM seller_keys WHERE seller_id = $1 AND retired_at IS NULL");
    Ok(tx.one::<(i64,)>(count, &[&seller]).await?.0)
}

pub(super) async fn insert_key(tx: &mut Tx, seller: AccountId, key: &SellerKey, sealed: &[u8]) -> Result<()> {
    let insert = sql!(
        "INSERT INTO seller_keys (id, seller_id, name, key_sealed, hint, created_at, retired_at) VALUES ($1, $2, $3, $4, $5, $6, NULL)"
    );
    tx.execute(insert, &[&key.id, &seller, &key.name, &sealed, &key.hint, &key.created_at]).await.map(drop)
}

pub(super) async fn key(tx: &mut Tx, seller: AccountId, id: SellerKeyId) -> Result<Option<SellerKey>> {
    let find = sql!("SELECT id, name, hint, created_at, retired_at FROM seller_keys WHERE id = $1 AND seller_id = $2");
    tx.find(find, &[&id, &seller]).await
}

pub(super) async fn keys(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Vec<SellerKey>> {
    let find = sql!("SELECT id, name, hint, created_at, retired_at FROM seller_keys WHERE seller_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    tx.all(find, &[&seller, &page.after, &page.fetch()]).await
}

pub(super) async fn count_addresses_of_key(tx: &mut Tx, id: SellerKeyId) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM production_addresses WHERE key_id = $1 AND retired_at IS NULL");
    Ok(tx.one::<(i64,)>(count, &[&id]).await?.0)
}

pub(super) async fn retire_key(tx: &mut Tx, id: SellerKeyId, now: i64) -> Result<()> {
    tx.execute(sql!("UPDATE seller_keys SET retired_at = $1 WHERE id = $2"), &[&now, &id]).await.map(drop)
}

// ---- production addresses ----

impl FromRow for Address {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            name: row.take()?,
            url: row.take()?,
            dialect: row.take()?,
            key_id: row.take()?,
            created_at: row.take()?,
            retired_at: row.take()?,
            version: row.take()?,
        })
    }
}

pub(super) async fn count_addresses(tx: &mut Tx, seller: AccountId) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM production_addresses WHERE seller_id = $1 AND retired_at IS NULL");
    Ok(tx.one::<(i64,)>(count, &[&seller]).await?.0)
}

pub(super) async fn insert_address(tx: &mut Tx, seller: AccountId, address: &Address) -> Result<()> {
    let insert = sql!(
        "INSERT INTO production_addresses (id, seller_id, name, url, dialect, key_id, created_at, retired_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8)"
    );
    let a = address;
    tx.execute(insert, &[&a.id, &seller, &a.name, &a.url, &a.dialect, &a.key_id, &a.created_at, &a.version]).await.map(drop)
}

pub(super) async fn address(tx: &mut Tx, seller: AccountId, id: AddressId) -> Result<Option<Address>> {
    let find = sql!(
        "SELECT id, name, url, dialect, key_id, created_at, retired_at, version FROM production_addresses
         WHERE id = $1 AND seller_id = $2"
    );
    tx.find(find, &[&id, &seller]).await
}

pub(super) async fn addresses(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Vec<Address>> {
    let find = sql!(
        "SELECT id, name, url, dialect, key_id, created_at, retired_at, version FROM production_addresses
         WHERE seller_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    tx.all(find, &[&seller, &page.after, &page.fetch()]).await
}

pub(super) async fn update_address(tx: &mut Tx, address: &Address) -> Result<()> {
    let update =
        sql!("UPDATE production_addresses SET name = $1, url = $2, dialect = $3, key_id = $4, version = $5 WHERE id = $6 AND version = $7");
    let a = address;
    one_row(tx.execute(update, &[&a.name, &a.url, &a.dialect, &a.key_id, &a.version, &a.id, &(a.version - 1)]).await?)
}

pub(super) async fn retire_address(tx: &mut Tx, id: AddressId, now: i64) -> Result<()> {
    let update = sql!("UPDATE production_addresses SET retired_at = $1, version = version + 1 WHERE id = $2");
    tx.execute(update, &[&now, &id]).await.map(drop)
}

/// Seller, URL, dialect, key and sealed key of an address.
pub(super) type SealedTarget = (AccountId, String, Dialect, SellerKeyId, Vec<u8>);

pub(super) async fn sealed_target(tx: &mut Tx, id: AddressId) -> Result<Option<SealedTarget>> {
    let find = sql!(
        "SELECT a.seller_id, a.url, a.dialect, k.id, k.key_sealed FROM production_addresses a JOIN seller_keys k ON k.id = a.key_id
         WHERE a.id = $1"
    );
    tx.find(find, &[&id]).await
}
