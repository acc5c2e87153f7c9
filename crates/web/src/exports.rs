//! Lists as files, as the doors give them out: who may have which, the texts that stand in them, and the way to the browser.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use kernel::{AccountId, Code, Ctx, ExportId, Locale, Refusal};
use market::accounts::{Permission, Principal};
use market::exports::{self, Export, ExportKind, ExportState, FileFormat, Filter, NewExport, Wording};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::AppState;
use crate::problem::{ApiError, ApiResult};
use crate::texts;

/// What RFC 5987 §3.2.1 leaves as it is in a value.
const ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A file is no page, whatever a browser makes of it.
const FILE_POLICY: &str = "default-src 'none'; sandbox";

/// Who may have a list as a file: whoever may look at it.
pub(crate) const fn permission(kind: ExportKind) -> Permission {
    match kind {
        ExportKind::BuyerOrders | ExportKind::BuyerServices | ExportKind::BuyerMovements => Permission::BuyerView,
        ExportKind::SellerOrders | ExportKind::SellerSubscriptions | ExportKind::SellerCalls => Permission::SellerView,
        ExportKind::SellerSales | ExportKind::SellerStatementLines => Permission::SellerFinance,
        ExportKind::OperatorOrders
        | ExportKind::OperatorAccounts
        | ExportKind::OperatorDeposits
        | ExportKind::OperatorSubscriptions
        | ExportKind::OperatorStatements
        | ExportKind::OperatorAudit => Permission::OperatorView,
    }
}

/// What a list is called.
pub(crate) fn title(kind: ExportKind, locale: Locale) -> String {
    texts::part(locale, &format!("page-export-kind-{kind}"), &[])
}

/// A word of the program in a file, as it stands alone: with a capital letter.
fn said(set: &str, word: &str, locale: Locale) -> String {
    let text = match set {
        "state" | "verdict" => texts::word(locale, set, word),
        "entry" | "renews" | "scene" => texts::part(locale, &format!("page-{set}-{word}"), &[]),
        "account" => texts::part(locale, &format!("page-kind-{word}"), &[]),
        "order" => texts::part(locale, &format!("page-op-order-kind-{}", word.to_lowercase()), &[]),
        _ => texts::part(locale, &format!("page-export-{set}-{word}"), &[]),
    };
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The texts of a file.
fn wording(kind: ExportKind, locale: Locale) -> Wording {
    let heading = |column: &&str| texts::part(locale, &format!("page-export-col-{column}"), &[]);
    let mut words: BTreeMap<String, String> =
        kind.words().into_iter().map(|(set, word)| (format!("{set}-{word}"), said(set, word, locale))).collect();
    if kind == ExportKind::SellerCalls {
        words.extend(texts::words_of("verdict").map(|word| (format!("verdict-{word}"), said("verdict", word, locale))));
    }
    if kind == ExportKind::OperatorAudit {
        let did = |action: &&str| texts::part(locale, &format!("page-did-{}", action.replace('.', "-")), &[]);
        words.extend(crate::pages::AUDIT_ACTIONS.iter().map(|action| (format!("did-{action}"), did(action))));
    }
    Wording { locale, title: title(kind, locale), headings: kind.columns().iter().map(heading).collect(), words }
}

/// Asks for a list as a file, in the reader's language.
pub(crate) async fn ask(
    app: &AppState,
    ctx: Ctx,
    principal: &Principal,
    kind: ExportKind,
    format: FileFormat,
    filter: Filter,
) -> ApiResult<Export> {
    principal.require(permission(kind))?;
    let wording = wording(kind, ctx.locale);
    let new = NewExport { user: principal.user, account: principal.account, kind, format, filter, wording };
    let market = app.market().clone();
    app.write(async move |tx| exports::ask(tx, &ctx, market.edition(), &new).await).await
}

/// The files of the account that somebody may have, newest first.
pub(crate) async fn list(app: &AppState, principal: &Principal, now: i64) -> ApiResult<Vec<Export>> {
    let account = principal.account;
    let mut all = app.read(async move |tx| exports::list(tx, account, now).await).await?;
    all.retain(|export| principal.permissions.contains(&permission(export.kind)));
    Ok(all)
}

/// A file of the account that somebody may have.
pub(crate) async fn get(app: &AppState, principal: &Principal, id: ExportId, now: i64) -> ApiResult<Export> {
    let account = principal.account;
    let export = app.read(async move |tx| exports::get_of(tx, account, id, now).await).await?;
    if principal.permissions.contains(&permission(export.kind)) { Ok(export) } else { Err(ApiError::refused(Code::NotFound)) }
}

/// Removes a file.
pub(crate) async fn delete(app: &AppState, ctx: Ctx, principal: &Principal, id: ExportId) -> ApiResult<()> {
    let account = get(app, principal, id, ctx.now).await?.account_id;
    app.write(async move |tx| exports::delete(tx, &ctx, account, id).await).await
}

/// `attachment; filename="orders.csv"; filename*=UTF-8''%E8…` (RFC 6266 §5): the first for what knows no other.
fn disposition(name: &str, format: FileFormat) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '.' | '_');
    let plain = if name.chars().all(is_plain) { name.to_owned() } else { format!("export.{format}") };
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ATTRIBUTE))
}

/// Gives a file out, part by part, each read when the one before is on its way.
pub(crate) async fn download(app: AppState, principal: &Principal, id: ExportId, now: i64) -> ApiResult<Response> {
    let export = get(&app, principal, id, now).await?;
    if export.state != ExportState::Done {
        return Err(Refusal::new(Code::NotFound).into());
    }
    let headers = [
        (CONTENT_TYPE, export.format.media_type().to_owned()),
        (CONTENT_DISPOSITION, disposition(&export.file_name, export.format)),
        (CONTENT_LENGTH, export.bytes.to_string()),
        (CONTENT_SECURITY_POLICY, FILE_POLICY.to_owned()),
        (CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    let (account, parts) = (export.account_id, export.parts());
    let content = futures_util::stream::unfold(1, move |n| {
        let app = app.clone();
        async move { if n > parts { None } else { Some((part(&app, account, id, n, now).await, n + 1)) } }
    });
    Ok((headers, Body::from_stream(content)).into_response())
}

async fn part(app: &AppState, account: AccountId, id: ExportId, n: i64, now: i64) -> Result<Vec<u8>, std::io::Error> {
    let read = app.read(async move |tx| exports::part(tx, account, id, n, now).await).await;
    // The file was deleted under way, or the database is gone: what is sent must not look whole.
    read.map_err(|_| std::io::Error::other("the rest of the file cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_all_its_texts_in_both_languages() {
        for locale in [Locale::En, Locale::ZhCn] {
            for kind in ExportKind::ALL {
                let Wording { title, headings, words, .. } = wording(*kind, locale);
                let texts = std::iter::once(&title).chain(&headings).chain(words.values());
                let missing: Vec<_> = texts.filter(|text| text.is_empty() || text.to_lowercase().starts_with("page-")).collect();
                assert!(missing.is_empty(), "{locale} {kind}: {missing:?}");
                let mut different = headings.clone();
                different.sort();
                different.dedup();
                assert_eq!(different.len(), headings.len(), "{locale} {kind} has two columns of one name: {headings:?}");
                let raw: Vec<_> = words.iter().filter(|(key, text)| key.ends_with(text.as_str())).collect();
                assert!(raw.is_empty(), "{locale} {kind}: {raw:?}");
            }
        }
    }

    #[test]
    fn a_name_in_chinese_reaches_the_browser() {
        let said = disposition("订单 2026-11-24.csv", FileFormat::Csv);
        assert_eq!(said, "attachment; filename=\"export.csv\"; filename*=UTF-8''%E8%AE%A2%E5%8D%95%202026-11-24.csv");
        assert_eq!(disposition("Orders 2026-11-24.csv", FileFormat::Csv).split("; ").nth(1), Some("filename=\"Orders 2026-11-24.csv\""));
    }
}
