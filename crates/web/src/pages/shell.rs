//! What every page has around it: the language, who is signed in, the way to everywhere.

use axum::extract::FromRequestParts;
use db::Tx;
use http::request::Parts;
use kernel::{Ctx, Currency, Locale, Money, Period, Zone};
use market::accounts::{self, Permission, Principal};
use market::notices;

use super::nav::{Center, Links};
use super::parts::{Stamp, away};
use crate::AppState;
use crate::auth::{InPerson, May, Right, SignedIn, Visitor, shows_cookie};
use crate::problem::ApiResult;
use crate::texts;

/// The reader's language, with money and times as they write them.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) locale: Locale,
    zone: Zone,
}

impl Words {
    pub(crate) fn new(locale: Locale, app: &AppState) -> Self {
        Self { locale, zone: app.market().edition().zone.clone() }
    }

    /// Those of a market in `zone`.
    pub(crate) const fn in_zone(locale: Locale, zone: Zone) -> Self {
        Self { locale, zone }
    }

    /// Those of a market in Shanghai.
    #[cfg(test)]
    pub(crate) fn of(locale: Locale) -> Self {
        Self { locale, zone: Zone::shanghai() }
    }

    /// The text of a key.
    pub(crate) fn s(&self, key: &str) -> String {
        texts::part(self.locale, key, &[])
    }

    /// The text of a key that has one value.
    pub(crate) fn with(&self, key: &str, value: impl Into<String>) -> String {
        texts::part(self.locale, key, &[("value", value.into())])
    }

    /// `3 months`.
    pub(crate) fn period(&self, period: Option<Period>) -> String {
        let Some(Period { unit, count }) = period else { return self.s("page-period-once") };
        let one = if count == 1 { "-one" } else { "" };
        texts::part(self.locale, &format!("page-period-{}{one}", unit.word()), &[("value", count.to_string())])
    }

    /// For `lang`.
    pub(crate) fn lang(&self) -> &'static str {
        self.locale.word()
    }

    /// `¥1,234.50`.
    pub(crate) fn money(&self, minor: i64, currency: Currency) -> String {
        let decimal = Money::new(minor, currency).decimal();
        let (sign, digits) = decimal.strip_prefix('-').map_or(("", &*decimal), |rest| ("-", rest));
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
        let grouped = grouped(whole);
        let fraction = fraction.map_or_else(String::new, |fraction| format!(".{fraction}"));
        let symbol = match currency.code() {
            "CNY" => "¥".to_owned(),
            "USD" => "$".to_owned(),
            "EUR" => "€".to_owned(),
            code => format!("{code} "),
        };
        format!("{sign}{symbol}{grouped}{fraction}")
    }

    /// `2026-11-24 15:30`, in the market's zone.
    pub(crate) fn time(&self, at: i64) -> String {
        self.zone.readable_minute(at)
    }

    /// `2026-11-24 15:30`, and how far that is from now.
    pub(crate) fn stamp(&self, at: i64, now: i64) -> Stamp {
        Stamp { exact: self.time(at), said: away(at, now, self.locale) }
    }

    /// `2026-11-24`, in the market's zone.
    pub(crate) fn day(&self, at: i64) -> String {
        self.time(at).split(' ').next().unwrap_or_default().to_owned()
    }

    /// A word of the program of a kind, as it stands alone: with a capital letter.
    pub(crate) fn alone(&self, kind: &str, word: &str) -> String {
        let word = texts::word(self.locale, kind, word);
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }

    /// A word of the program, such as the state `in_use`, as it stands alone.
    pub(crate) fn state(&self, word: &str) -> String {
        self.alone("state", word)
    }
}

/// `1,234`: digits in threes.
pub(crate) fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Who reads a page.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) buys: bool,
    pub(crate) sells: bool,
    pub(crate) operates: bool,
    /// Notices that nobody has read; `99+` when there are many, empty when there are none.
    pub(crate) unread: String,
}

/// More unread notices than this are not counted.
const UNREAD_SHOWN_MAX: i64 = 99;

/// What is around a page.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    pub(crate) t: Words,
    pub(crate) who: Option<Who>,
    /// Where the reader is: the language switch comes back to it.
    pub(crate) here: String,
    /// What has just been done, for the reader to know.
    pub(crate) done: String,
    /// The name of the center that the page belongs to, and the ways through it.
    pub(crate) center: String,
    pub(crate) navigation: Vec<Links>,
}

impl Shell {
    pub(crate) fn of_visitor(t: Words, here: String) -> Self {
        let done = done(&here, &t);
        Self { t, who: None, here, done, center: String::new(), navigation: Vec::new() }
    }

    /// Where the styles are.
    pub(crate) fn styles(&self) -> &'static str {
        super::assets::styles_path()
    }

    /// Where the script is that makes pages smooth.
    pub(crate) fn script(&self) -> &'static str {
        super::assets::script_path()
    }

    /// The address of an icon.
    pub(crate) fn icon(&self, name: &str) -> String {
        super::assets::icon(name)
    }
}

/// What the address says was just done (`?done=saved`), in words; nothing for a word that no act gives.
fn done(here: &str, t: &Words) -> String {
    let query = here.split_once('?').map_or("", |(_, query)| query);
    let word = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "done").map(|(_, word)| word);
    let Some(word) = word.filter(|word| word.len() < 40 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')) else {
        return String::new();
    };
    let key = format!("page-done-{word}");
    let text = t.s(&key);
    if text == key { String::new() } else { text }
}

/// Whoever reads a public page, signed in or not.
pub(crate) struct Reader {
    pub(crate) principal: Option<Principal>,
    pub(crate) ctx: Ctx,
    pub(crate) shell: Shell,
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = crate::problem::ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        // A session that has ended makes a visitor of its holder, who may read on.
        if shows_cookie(&parts.headers)
            && let Ok(SignedIn { principal, ctx }) = SignedIn::from_request_parts(parts, app).await
        {
            let shell = shell_of(parts, app, &principal, &ctx).await?;
            return Ok(Self { principal: Some(principal), ctx, shell });
        }
        let Visitor { ctx } = Visitor::from_request_parts(parts, app).await?;
        let shell = Shell::of_visitor(Words::new(ctx.locale, app), here(parts));
        Ok(Self { principal: None, ctx, shell })
    }
}

/// Whoever has the right `R`, on a page.
pub(crate) struct Member<R> {
    pub(crate) may: May<R>,
    pub(crate) shell: Shell,
}

impl<R: Right> FromRequestParts<AppState> for Member<R> {
    type Rejection = crate::problem::ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let may = May::<R>::from_request_parts(parts, app).await?;
        let shell = shell_of(parts, app, &may.principal, &may.ctx).await?;
        Ok(Self { may, shell })
    }
}

/// Whoever has signed in by themselves, on a page of their own.
pub(crate) struct Person {
    pub(crate) principal: Principal,
    pub(crate) ctx: Ctx,
    pub(crate) shell: Shell,
}

impl FromRequestParts<AppState> for Person {
    type Rejection = crate::problem::ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let InPerson { principal, ctx } = InPerson::from_request_parts(parts, app).await?;
        let shell = shell_of(parts, app, &principal, &ctx).await?;
        Ok(Self { principal, ctx, shell })
    }
}

async fn shell_of(parts: &Parts, app: &AppState, principal: &Principal, ctx: &Ctx) -> ApiResult<Shell> {
    let (account, user) = (principal.account, principal.user);
    let look = async move |tx: &mut Tx| {
        let (account, user) = (accounts::get(tx, account).await?, accounts::get_user(tx, account, user).await?);
        let unread = notices::count_unread(tx, account.id, UNREAD_SHOWN_MAX + 1).await?;
        Ok((account, user, unread))
    };
    let (account, user, unread) = app.read(look).await?;
    let unread = match unread {
        0 => String::new(),
        count if count > UNREAD_SHOWN_MAX => format!("{UNREAD_SHOWN_MAX}+"),
        count => count.to_string(),
    };
    // What somebody may not even look at is not offered to them.
    let may = |permission| principal.permissions.contains(&permission);
    let (buys, sells, operates) = (may(Permission::BuyerView), may(Permission::SellerView), may(Permission::OperatorView));
    let who = Who { name: user.name, account: account.name, buys, sells, operates, unread };
    let (t, path) = (Words::new(ctx.locale, app), parts.uri.path());
    let center = Center::of(path, principal);
    let (navigation, here) = (center.navigation(path, principal, &t), here(parts));
    Ok(Shell { who: Some(who), done: done(&here, &t), here, center: t.s(center.title_key()), navigation, t })
}

fn here(parts: &Parts) -> String {
    parts.uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned())
}
