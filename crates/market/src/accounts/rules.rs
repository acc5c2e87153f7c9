//! What texts that people type may look like. Shared with the domains above.

use kernel::{Code, Refusal};
use unicode_normalization::UnicodeNormalization;

/// Characters of an account name (spec: business §1.1).
pub(super) const ACCOUNT_NAME_CHARS: (usize, usize) = (2, 60);
/// Characters of a sign-in name.
pub(super) const LOGIN_CHARS: (usize, usize) = (3, 64);
/// Characters of an e-mail address (RFC 5321 §4.5.3.1.3, without the brackets).
pub(super) const EMAIL_CHARS_MAX: usize = 254;
/// Characters of a phone number with its spaces and signs.
const PHONE_CHARS: (usize, usize) = (5, 32);

/// True for characters that show nothing or turn the text around: two texts that look alike must not be two.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text of one line of `min` to `max` characters, trimmed and composed (NFC).
///
/// # Errors
/// [`Code::FieldInvalid`] with the rule `required`, `length:MIN-MAX` or `format`.
pub(crate) fn text(field: &'static str, value: &str, min: usize, max: usize) -> Result<String, Refusal> {
    let clean: String = value.trim().nfc().take(max + 1).collect();
    let length = clean.chars().count();
    if length == 0 && min > 0 {
        return Err(Refusal::field(field, "required"));
    }
    if length < min || length > max {
        return Err(Refusal::field(field, format!("length:{min}-{max}")));
    }
    if clean.chars().any(is_invisible) {
        return Err(Refusal::field(field, "format"));
    }
    Ok(clean)
}

/// An e-mail address, as far as its look can tell; only a mail that arrives proves one.
///
/// # Errors
/// [`Code::FieldInvalid`] with the rule `required`, `length:…` or `email`.
pub(crate) fn email(field: &'static str, value: &str) -> Result<String, Refusal> {
    let clean = text(field, value, 1, EMAIL_CHARS_MAX)?;
    let wrong = || Refusal::field(field, "email");
    let (local, domain) = clean.split_once('@').ok_or_else(wrong)?;
    let labels_fit = domain.contains('.') && domain.split('.').all(|l| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-'));
    let domain_fits = labels_fit && domain.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '-');
    let local_fits = !local.is_empty() && local.len() <= 64 && !local.chars().any(|c| c.is_whitespace() || "<>()[],;:\\\"".contains(c));
    if domain_fits && local_fits { Ok(clean) } else { Err(wrong()) }
}

/// A phone number: at least five digits, with `+`, spaces, hyphens, brackets; or empty.
///
/// # Errors
/// [`Code::FieldInvalid`] with the rule `length:…` or `phone`.
pub(crate) fn phone(field: &'static str, value: &str) -> Result<String, Refusal> {
    if value.trim().is_empty() {
        return Ok(String::new());
    }
    let clean = text(field, value, PHONE_CHARS.0, PHONE_CHARS.1)?;
    let fits = clean.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c)) && clean.chars().filter(char::is_ascii_digit).count() >= 5;
    if fits { Ok(clean) } else { Err(Refusal::field(field, "phone")) }
}

/// A name of an account, with the key under which it is unique.
///
/// # Errors
/// As [`text`].
pub(super) fn account_name(value: &str) -> Result<(String, String), Refusal> {
    let name = text("name", value, ACCOUNT_NAME_CHARS.0, ACCOUNT_NAME_CHARS.1)?;
    let key = fold(&name);
    Ok((name, key))
}

/// A text without case, width and runs of spaces: texts that people take for the same are the same.
pub(super) fn fold(value: &str) -> String {
    let lower = value.nfkc().collect::<String>().to_lowercase();
    lower.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A sign-in name.
///
/// # Errors
/// [`Code::FieldInvalid`] with the rule `required`, `length:…` or `format`.
pub(super) fn login(value: &str) -> Result<String, Refusal> {
    let clean = text("login", value, LOGIN_CHARS.0, LOGIN_CHARS.1)?;
    let fits = clean.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b));
    if fits { Ok(clean) } else { Err(Refusal::field("login", "format")) }
}

/// The key under which a sign-in name is unique; none when it cannot be one.
pub(super) fn login_key(value: &str) -> Option<String> {
    login(value).ok().map(|login| login.to_ascii_lowercase())
}

/// Refuses when there would be more than `max`.
///
/// # Errors
/// [`Code::TooMany`].
pub(crate) fn at_most(count: i64, max: i64) -> Result<(), Refusal> {
    if count <= max { Ok(()) } else { Err(Refusal::new(Code::TooMany).with("max", max)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rule(result: Result<String, Refusal>) -> String {
        result.unwrap_err().args.into_iter().find(|(name, _)| *name == "rule").unwrap().1
    }

    #[test]
    fn names_that_look_alike_have_one_key() {
        for (left, right) in
            [("ＡＣＭＥ", "acme"), ("云市  科技", "云市 科技"), ("STRAẞE", "straße"), ("ｶﾞ ware", "ガ WARE"), ("①号店", "1号店")]
        {
            assert_eq!(fold(left), fold(right));
        }
        assert_ne!(fold("acme"), fold("acme1"));
    }

    #[test]
    fn texts_are_bounded_and_visible() {
        assert_eq!(account_name("  Acme ").unwrap(), ("Acme".to_owned(), "acme".to_owned()));
        assert_eq!(account_name("云市").unwrap().0, "云市");
        assert_eq!(rule(text("name", "a", 2, 60)), "length:2-60");
        assert_eq!(rule(text("name", &"a".repeat(61), 2, 60)), "length:2-60");
        assert_eq!(rule(text("name", "  ", 2, 60)), "required");
        for hidden in ["ac\u{200b}me", "ac\u{202e}me", "ac\nme", "ac\0me"] {
            assert_eq!(rule(text("name", hidden, 2, 60)), "format", "{hidden:?}");
        }
    }

    #[test]
    fn sign_in_names_are_plain() {
        assert_eq!(login(" Wang.Fang-1@acme_ ").unwrap(), "Wang.Fang-1@acme_");
        assert_eq!(login_key("Wang.Fang-1@acme"), Some("wang.fang-1@acme".to_owned()));
        for wrong in ["ab", "王芳王芳", "a b c", "a/b/c", &"a".repeat(65)] {
            assert!(login(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_and_numbers_look_like_ones() {
        for right in ["a@b.cn", "wang.fang+1@mail.example.com", "王芳@例子.中国"] {
            assert_eq!(email("email", right).unwrap(), right);
        }
        for wrong in ["a", "@b.cn", "a@", "a@b", "a@b..cn", "a@.cn", "a b@c.cn", "a@b@c.cn", "a@-b.cn", "<a@b.cn>"] {
            assert_eq!(rule(email("email", wrong)), "email", "{wrong}");
        }
        assert_eq!(phone("phone", "").unwrap(), "");
        assert_eq!(phone("phone", "+86 138-0000-0000").unwrap(), "+86 138-0000-0000");
        assert_eq!(rule(phone("phone", "call me")), "phone");
    }
}
