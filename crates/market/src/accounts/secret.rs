//! Random texts that open something, and how the ones that are only compared are stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Entropy;
use sha2::{Digest, Sha256};

/// What a session's token begins with.
pub(super) const SESSION_PREFIX: &str = "yss_";
/// What an API token begins with.
pub(super) const TOKEN_PREFIX: &str = "yst_";
/// What the token of a password reset begins with.
pub(super) const RESET_PREFIX: &str = "ysr_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Characters of a token after its prefix: 32 bytes in base 64 without padding.
const TOKEN_TAIL_LEN: usize = 43;

const UPPER_ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters of an access key, as sellers know them (spec: protocol §3.1).
const ACCESS_KEY_LEN: usize = 20;
/// Characters of a secret key.
const SECRET_KEY_LEN: usize = 40;

/// The two kinds of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Of a signed-in session.
    Session,
    /// A personal API token.
    Api,
}

/// A fresh token: 256 random bits, so a plain SHA-256 of it is safe to store.
pub(super) fn token(prefix: &str, entropy: &Entropy) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(entropy.bytes::<TOKEN_BYTES>()))
}

/// What is stored of a token.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The kind and the hash of a text that has the form of a token; none for every other text.
pub(super) fn read_token(text: &str) -> Option<(TokenKind, [u8; 32])> {
    let kind = match text.get(..SESSION_PREFIX.len())? {
        SESSION_PREFIX => TokenKind::Session,
        TOKEN_PREFIX => TokenKind::Api,
        _ => return None,
    };
    let fits = text.len() == SESSION_PREFIX.len() + TOKEN_TAIL_LEN && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| (kind, token_hash(text)))
}

/// The hash of a text that has the form of a reset's token; none for every other text.
pub(super) fn read_reset_token(text: &str) -> Option<[u8; 32]> {
    let fits = text.starts_with(RESET_PREFIX) && text.len() == RESET_PREFIX.len() + TOKEN_TAIL_LEN;
    (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| token_hash(text))
}

/// A fresh access key.
pub(super) fn access_key(entropy: &Entropy) -> String {
    letters(UPPER_ALPHANUMERIC, ACCESS_KEY_LEN, entropy)
}

/// A fresh secret key: 238 random bits.
pub(super) fn secret_key(entropy: &Entropy) -> String {
    letters(ALPHANUMERIC, SECRET_KEY_LEN, entropy)
}

/// `length` letters, each equally likely: bytes above the last full round of the alphabet are drawn again.
fn letters(alphabet: &[u8], length: usize, entropy: &Entropy) -> String {
    let fair = 256 / alphabet.len() * alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let drawn = entropy.bytes::<64>();
        let rest = length - text.len();
        text.extend(
            drawn.iter().map(|b| usize::from(*b)).filter(|b| *b < fair).map(|b| char::from(alphabet[b % alphabet.len()])).take(rest),
        );
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart_by_their_form() {
        let entropy = Entropy::from_seed([5; 32]);
        let session = token(SESSION_PREFIX, &entropy);
        let api = token(TOKEN_PREFIX, &entropy);
        assert_eq!(read_token(&session).unwrap(), (TokenKind::Session, token_hash(&session)));
        assert_eq!(read_token(&api).unwrap().0, TokenKind::Api);
        let reset = token(RESET_PREFIX, &entropy);
        assert_eq!((read_token(&reset), read_reset_token(&reset)), (None, Some(token_hash(&reset))));
        assert_eq!((read_reset_token(&session), read_reset_token("ysr_"), read_reset_token("")), (None, None, None));
        let cut = &session[..session.len() - 1];
        for other in ["", "yss", "yss_", "yst_é", cut, &format!("{session}x"), &session.replace("yss_", "xxx_"), "云云云云"] {
            assert_eq!(read_token(other), None, "{other}");
        }
    }

    #[test]
    fn keys_have_the_length_and_letters_that_servers_expect() {
        let entropy = Entropy::from_seed([6; 32]);
        let (access, secret) = (access_key(&entropy), secret_key(&entropy));
        assert!(access.len() == 20 && access.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        assert!(secret.len() == 40 && secret.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(access, access_key(&entropy));
        let many: String = (0..200).map(|_| secret_key(&entropy)).collect();
        assert!(ALPHANUMERIC.iter().all(|letter| many.contains(char::from(*letter))));
    }
}
