//! The numbers of the business that the operator sets while the market runs (spec: business §11): the configuration gives the defaults, what
//! was set here goes before them, and every change stays with who made it, when and why.
//!
//! Several processes work on one database. Each knows the last change that it has seen and looks now and then whether there is a newer one
//! ([`crate::Market`]); a use case is given one edition and decides by that alone. What was decided keeps its own copy of every number, so a
//! change never touches an order, a line or a statement that there is.
//!
//! Invariants: a number that is kept was within its bounds when it was set; rows of changes are only added.

mod number;
mod store;

use db::{Result, Tx};
use kernel::{Code, Ctx, Refusal};
use serde_json::json;

use crate::audit;
use crate::edition::Edition;
use crate::page::{Page, PageRequest};

pub use number::{ALL, LIST_MAX, Measure, Number, Topic, Value, named, together};

/// Longest reason of a change, characters (ours).
pub const REASON_CHARS_MAX: usize = 200;

/// A number as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub key: String,
    /// What the operator set; none when it was given back to the configuration.
    pub value: Option<Value>,
    /// The version of its last change; a number that was never set has 0.
    pub version: i64,
}

/// A change of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place among all changes, from 1.
    pub version: i64,
    /// The number.
    pub key: String,
    /// Its value before.
    pub before: Value,
    /// Its value since.
    pub after: Value,
    /// Whether it was given back to the configuration, whose value `after` was then.
    pub given_back: bool,
    /// Why.
    pub reason: String,
    /// When, market ms UTC.
    pub at: i64,
    /// Who: `usr_…`, `console`.
    pub actor: String,
}

/// What is kept at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The version of the last change.
    pub version: i64,
    /// Every number that was ever set.
    pub kept: Vec<Kept>,
}

impl Snapshot {
    /// The version of a number, which a change of it must name.
    #[must_use]
    pub fn version_of(&self, key: &str) -> i64 {
        self.kept.iter().find(|kept| kept.key == key).map_or(0, |kept| kept.version)
    }

    /// Whether the operator's value goes before the configuration's.
    #[must_use]
    pub fn is_set(&self, key: &str) -> bool {
        self.kept.iter().any(|kept| kept.key == key && kept.value.is_some())
    }

    /// The configuration's edition with what the operator set. A number that this program does not take (it was set by a newer one, or does
    /// not fit the rest of a configuration that has changed) is left as it was configured.
    #[must_use]
    pub fn over(&self, configured: &Edition) -> Edition {
        let mut edition = configured.clone();
        // What fits only together with another comes in whichever order: twice round is enough for pairs.
        for _ in 0..2 {
            for kept in &self.kept {
                let Some((number, value)) = named(&kept.key).zip(kept.value.as_ref()) else { continue };
                if let Ok(changed) = number.put(&edition, value) {
                    edition = changed;
                }
            }
        }
        for kept in &self.kept {
            if let Some(value) = &kept.value
                && named(&kept.key).is_none_or(|number| number.of(&edition) != *value)
            {
                tracing::warn!(key = kept.key, "a number that the operator set does not fit and is left as it is configured");
            }
        }
        edition
    }
}

/// The version of the last change: cheap to ask for.
///
/// # Errors
/// Those of the database.
pub async fn version(tx: &mut Tx) -> Result<i64> {
    store::last_version(tx).await
}

/// Everything that is kept.
///
/// # Errors
/// Those of the database.
pub async fn snapshot(tx: &mut Tx) -> Result<Snapshot> {
    Ok(Snapshot { version: store::last_version(tx).await?, kept: store::kept(tx).await? })
}

/// Sets a number, or gives it back to the configuration when `value` is none. `configured` is the configuration's edition, `expected` the
/// version that whoever asks has seen. The edition that holds since.
///
/// # Errors
/// [`Code::NotFound`] when no number has this name; [`Code::FieldInvalid`] when the value breaks its bounds or is the one that holds, or when
/// the reason is missing or too long; [`Code::VersionStale`] when somebody else set it meanwhile.
pub async fn set(
    tx: &mut Tx,
    ctx: &Ctx,
    configured: &Edition,
    key: &str,
    value: Option<Value>,
    reason: &str,
    expected: i64,
) -> Result<Edition> {
    let number = named(key).ok_or_else(|| Refusal::new(Code::NotFound))?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Refusal::field("reason", "required").into());
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(Refusal::field("reason", format!("length:1-{REASON_CHARS_MAX}")).into());
    }
    let held = snapshot(tx).await?;
    if held.version_of(key) != expected {
        return Err(Refusal::new(Code::VersionStale).into());
    }
    let edition = held.over(configured);
    let (before, after) = (number.of(&edition), value.clone().unwrap_or_else(|| number.of(configured)));
    let changed = number.put(&edition, &after)?;
    if before == after && held.is_set(key) == value.is_some() {
        return Err(Refusal::field("value", "same").into());
    }
    let version = held.version + 1;
    let text = value.as_ref().map(serde_json::to_string).transpose()?;
    store::keep(tx, key, text.as_deref(), expected, version).await?;
    let change = Change {
        version,
        key: key.to_owned(),
        before,
        after,
        given_back: value.is_none(),
        reason: reason.to_owned(),
        at: ctx.now,
        actor: ctx.actor.label(),
    };
    store::insert_change(tx, &change).await?;
    let detail = json!({ "before": change.before, "after": change.after, "given_back": change.given_back, "reason": change.reason });
    audit::record(tx, ctx, "site.number_set", &change.key, &detail).await?;
    Ok(changed)
}

/// The changes of a number, or of all, newest first.
///
/// # Errors
/// Those of the database; [`Code::CursorInvalid`].
pub async fn changes(tx: &mut Tx, key: Option<&str>, page: &PageRequest) -> Result<Page<Change>> {
    let before = match page.after.as_str() {
        "" => i64::MAX,
        text => text.parse().map_err(|_| Refusal::new(Code::CursorInvalid))?,
    };
    let rows = store::changes(tx, key, before, page).await?;
    Ok(page.cut(rows, |change: &Change| change.version.to_string()))
}
