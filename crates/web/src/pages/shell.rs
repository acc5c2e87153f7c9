//! What every page has around it: the language, who is signed in, the way to everywhere.

use axum::extract::FromRequestParts;
use http::request::Parts;
use kernel::{Ctx, Currency, Locale, Money, Period, Zone};
use market::accounts::{self, Audience, Principal};

use crate::AppState;
use crate::auth::{May, Right, SignedIn, Visitor, shows_cookie};
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
        let mut grouped = String::new();
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
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

/// Who reads a page.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) buys: bool,
    pub(crate) sells: bool,
}

/// What is around a page.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    pub(crate) t: Words,
    pub(crate) who: Option<Who>,
    /// Where the reader is: the language switch comes back to it.
    pub(crate) here: String,
    /// Where the styles are.
    pub(crate) styles: String,
}

impl Shell {
    pub(crate) fn of_visitor(t: Words, here: String) -> Self {
        Self { t, who: None, here, styles: super::styles_path() }
    }
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

async fn shell_of(parts: &Parts, app: &AppState, principal: &Principal, ctx: &Ctx) -> ApiResult<Shell> {
    let (account, user) = (principal.account, principal.user);
    let (account, user) =
        app.read(async move |tx| Ok((accounts::get(tx, account).await?, accounts::get_user(tx, account, user).await?))).await?;
    let on = |side| principal.sides.contains(&side);
    let who = Who { name: user.name, account: account.name, buys: on(Audience::Buyer), sells: on(Audience::Seller) };
    Ok(Shell { t: Words::new(ctx.locale, app), who: Some(who), here: here(parts), styles: super::styles_path() })
}

fn here(parts: &Parts) -> String {
    parts.uri.path_and_query().map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned())
}
