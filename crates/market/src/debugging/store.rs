//! The tables `debug_tries` and `debug_cases`.

use db::{FromRow, OnConstraint, Result, Row, Tx, sql};
use kernel::{AccountId, AddressId, Code, DebugCaseId, DebugTryId};

use super::{TestCase, Try};
use crate::page::PageRequest;

impl FromRow for Try {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            address_id: row.take()?,
            case_id: row.take()?,
            scene: row.take()?,
            signing: row.take()?,
            parameters: serde_json::from_str(&row.take::<String>()?)?,
            at: row.take()?,
            wall_at: row.take()?,
            tried_by: row.take()?,
            verdict: row.take()?,
            url: row.take()?,
            request_body: row.take()?,
            status: row.take()?,
            answer_type: row.take()?,
            answer_body: row.take()?,
            elapsed_ms: row.take()?,
            findings: serde_json::from_str(&row.take::<String>()?)?,
        })
    }
}

macro_rules! try_columns {
    () => {
        "id, address_id, case_id, scene, signing, parameters, at, wall_at, tried_by, verdict, url, request_body, status, answer_type,
           answer_body, elapsed_ms, findings"
    };
}

/// The newest try of a seller.
pub(super) async fn newest(tx: &mut Tx, seller: AccountId) -> Result<Option<DebugTryId>> {
    let statement = sql!("SELECT id FROM debug_tries WHERE seller_id = $1 ORDER BY id DESC LIMIT 1");
    Ok(tx.find::<(DebugTryId,)>(statement, &[&seller]).await?.map(|(id,)| id))
}

/// How many tries a seller has begun since machine time `since`.
pub(super) async fn begun_since(tx: &mut Tx, seller: AccountId, since: i64) -> Result<i64> {
    let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM debug_tries WHERE seller_id = $1 AND wall_at > $2");
    tx.one::<(i64,)>(statement, &[&seller, &since]).await.map(|(count,)| count)
}

pub(super) async fn insert(tx: &mut Tx, seller: AccountId, new: &Try) -> Result<()> {
    let statement = sql!(
        "INSERT INTO debug_tries
           (id, seller_id, address_id, case_id, scene, signing, parameters, at, wall_at, tried_by, verdict, url, request_body, findings)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '[]')"
    );
    let parameters = serde_json::to_string(&new.parameters)?;
    tx.execute(
        statement,
        &[
            &new.id,
            &seller,
            &new.address_id,
            &new.case_id,
            &new.scene,
            &new.signing,
            &parameters,
            &new.at,
            &new.wall_at,
            &new.tried_by,
            &new.verdict,
            &new.url,
            &new.request_body,
        ],
    )
    .await
    .map(drop)
}

/// Writes down what came of a try. It may have been forgotten meanwhile.
pub(super) async fn conclude(tx: &mut Tx, done: &Try) -> Result<()> {
    let statement = sql!(
        "UPDATE debug_tries SET verdict = $1, url = $2, request_body = $3, status = $4, answer_type = $5, answer_body = $6, elapsed_ms = $7,
           findings = $8
         WHERE id = $9"
    );
    let findings = serde_json::to_string(&done.findings)?;
    tx.execute(
        statement,
        &[
            &done.verdict,
            &done.url,
            &done.request_body,
            &done.status,
            &done.answer_type,
            &done.answer_body,
            &done.elapsed_ms,
            &findings,
            &done.id,
        ],
    )
    .await
    .map(drop)
}

/// Forgets all but the newest `kept` tries of a seller.
pub(super) async fn forget_old(tx: &mut Tx, seller: AccountId, kept: i64) -> Result<()> {
    let oldest = sql!("SELECT id FROM debug_tries WHERE seller_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2");
    let Some((last,)) = tx.find::<(DebugTryId,)>(oldest, &[&seller, &kept]).await? else { return Ok(()) };
    tx.execute(sql!("DELETE FROM debug_tries WHERE seller_id = $1 AND id <= $2"), &[&seller, &last]).await.map(drop)
}

pub(super) async fn find(tx: &mut Tx, seller: AccountId, id: DebugTryId) -> Result<Option<Try>> {
    let statement = sql!(concat!("SELECT ", try_columns!(), " FROM debug_tries WHERE id = $1 AND seller_id = $2"));
    tx.find(statement, &[&id, &seller]).await
}

pub(super) async fn list(tx: &mut Tx, seller: AccountId, page: &PageRequest) -> Result<Vec<Try>> {
    let statement =
        sql!(concat!("SELECT ", try_columns!(), " FROM debug_tries WHERE seller_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"));
    tx.all(statement, &[&seller, &page.before(), &page.fetch()]).await
}

impl FromRow for TestCase {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            address_id: row.take()?,
            name: row.take()?,
            scene: row.take()?,
            signing: row.take()?,
            parameters: serde_json::from_str(&row.take::<String>()?)?,
            created_at: row.take()?,
            created_by: row.take()?,
            last_try_id: row.take()?,
            last_at: row.take()?,
            last_verdict: row.take()?,
        })
    }
}

macro_rules! case_columns {
    () => {
        "id, address_id, name, scene, signing, parameters, created_at, created_by, last_try_id, last_at, last_verdict"
    };
}

pub(super) async fn count_cases(tx: &mut Tx, address: AddressId) -> Result<i64> {
    let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM debug_cases WHERE address_id = $1");
    tx.one::<(i64,)>(statement, &[&address]).await.map(|(count,)| count)
}

pub(super) async fn has_name(tx: &mut Tx, address: AddressId, name: &str) -> Result<bool> {
    let statement = sql!("SELECT id FROM debug_cases WHERE address_id = $1 AND name = $2");
    Ok(tx.find::<(DebugCaseId,)>(statement, &[&address, &name]).await?.is_some())
}

pub(super) async fn insert_case(tx: &mut Tx, seller: AccountId, new: &TestCase) -> Result<()> {
    let statement = sql!(
        "INSERT INTO debug_cases
           (id, seller_id, address_id, name, scene, signing, parameters, created_at, created_by, last_try_id, last_at, last_verdict)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    );
    let parameters = serde_json::to_string(&new.parameters)?;
    tx.execute(
        statement,
        &[
            &new.id,
            &seller,
            &new.address_id,
            &new.name,
            &new.scene,
            &new.signing,
            &parameters,
            &new.created_at,
            &new.created_by,
            &new.last_try_id,
            &new.last_at,
            &new.last_verdict,
        ],
    )
    .await
    .map(drop)
    .on_constraint("debug_case_name_unique", Code::CaseNameTaken)
}

pub(super) async fn find_case(tx: &mut Tx, seller: AccountId, id: DebugCaseId) -> Result<Option<TestCase>> {
    let statement = sql!(concat!("SELECT ", case_columns!(), " FROM debug_cases WHERE id = $1 AND seller_id = $2"));
    tx.find(statement, &[&id, &seller]).await
}

pub(super) async fn cases(tx: &mut Tx, seller: AccountId, address: Option<AddressId>, page: &PageRequest) -> Result<Vec<TestCase>> {
    let statement = sql!(concat!(
        "SELECT ",
        case_columns!(),
        " FROM debug_cases WHERE seller_id = $1 AND id > $2 AND (CAST($3 AS TEXT) IS NULL OR address_id = $3) ORDER BY id LIMIT $4"
    ));
    tx.all(statement, &[&seller, &page.after, &address, &page.fetch()]).await
}

/// Notes how a case did. It may have been deleted meanwhile.
pub(super) async fn note_run(tx: &mut Tx, id: DebugCaseId, run: &Try) -> Result<()> {
    let statement = sql!("UPDATE debug_cases SET last_try_id = $1, last_at = $2, last_verdict = $3 WHERE id = $4");
    tx.execute(statement, &[&run.id, &run.at, &run.verdict, &id]).await.map(drop)
}

pub(super) async fn delete_case(tx: &mut Tx, id: DebugCaseId) -> Result<()> {
    tx.execute(sql!("DELETE FROM debug_cases WHERE id = $1"), &[&id]).await.map(drop)
}
