//! The same request twice is done once: a key, the request's fingerprint and its answer, written in the transaction of the act.
//!
//! A refusal changes nothing and is not kept: the same key may be tried again.

use db::{Result, Tx, sql};
use kernel::{Code, Ctx, DAY_MS, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest key that is taken.
pub const KEY_LEN_MAX: usize = 128;
/// How long an answer is kept: longer than any client tries.
pub const KEPT_MS: i64 = 30 * DAY_MS;

/// A key that a caller gave, with what it was given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key: keys of different accounts never meet.
    pub scope: String,
    /// The caller's key.
    pub key: String,
    /// SHA-256 over the request (method, path, body).
    pub fingerprint: [u8; 32],
}

impl IdempotencyKey {
    /// A key as given by a caller.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyInvalid`] unless 1 to [`KEY_LEN_MAX`] visible ASCII characters.
    pub fn new(scope: impl Into<String>, key: &str, fingerprint: [u8; 32]) -> Result<Self, Refusal> {
        let fits = !key.is_empty() && key.len() <= KEY_LEN_MAX && key.bytes().all(|b| b.is_ascii_graphic());
        if !fits {
            return Err(Refusal::new(Code::IdempotencyKeyInvalid).with("max", KEY_LEN_MAX));
        }
        Ok(Self { scope: scope.into(), key: key.to_owned(), fingerprint })
    }
}

/// Does `act` unless it was done under this key before; either way its answer.
///
/// # Errors
/// [`Code::IdempotencyConflict`] when the key was used for another request; otherwise those of `act`.
pub async fn once<T>(tx: &mut Tx, ctx: &Ctx, key: &IdempotencyKey, act: impl AsyncFnOnce(&mut Tx) -> Result<T>) -> Result<T>
where
    T: Serialize + DeserializeOwned,
{
    // The key is taken before the act: on PostgreSQL a second request under the same key then waits for the first one here, and runs again
    // when it has ended, instead of meeting the first one's rows inside the act as if they were somebody else's.
    let take = sql!(
        "INSERT INTO idempotency_keys (scope, key, fingerprint, answer, created_at) VALUES ($1, $2, $3, '', $4)
         ON CONFLICT (scope, key) DO NOTHING"
    );
    if tx.execute(take, &[&key.scope, &key.key, &key.fingerprint, &ctx.wall]).await? == 0 {
        let find = sql!("SELECT fingerprint, answer FROM idempotency_keys WHERE scope = $1 AND key = $2");
        let (fingerprint, answer): (Vec<u8>, String) = tx.one(find, &[&key.scope, &key.key]).await?;
        if fingerprint != key.fingerprint {
            return Err(Refusal::new(Code::IdempotencyConflict).into());
        }
        return Ok(serde_json::from_str(&answer)?);
    }
    let answer = act(tx).await?;
    let keep = sql!("UPDATE idempotency_keys SET answer = $1 WHERE scope = $2 AND key = $3");
    tx.defer(keep, &[&serde_json::to_string(&answer)?, &key.scope, &key.key]).await?;
    Ok(answer)
}

/// The answer that was kept under this key, if the request was done before: for requests that ask somebody outside before they act.
///
/// # Errors
/// [`Code::IdempotencyConflict`] when the key was used for another request.
pub async fn kept<T: DeserializeOwned>(tx: &mut Tx, key: &IdempotencyKey) -> Result<Option<T>> {
    let find = sql!("SELECT fingerprint, answer FROM idempotency_keys WHERE scope = $1 AND key = $2");
    let Some((fingerprint, answer)) = tx.find::<(Vec<u8>, String)>(find, &[&key.scope, &key.key]).await? else { return Ok(None) };
    if fingerprint != key.fingerprint {
        return Err(Refusal::new(Code::IdempotencyConflict).into());
    }
    Ok(Some(serde_json::from_str(&answer)?))
}

/// Removes answers older than [`KEPT_MS`] (wall time), at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn forget_old(tx: &mut Tx, wall: i64, limit: i64) -> Result<u64> {
    let delete = sql!(
        "DELETE FROM idempotency_keys WHERE (scope, key) IN
           (SELECT scope, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
    );
    tx.execute(delete, &[&(wall - KEPT_MS), &limit]).await
}
