//! Signed heads of the tree, in the form that transparency logs have agreed on.
//!
//! What is signed is a checkpoint (<https://c2sp.org/tlog-checkpoint>) in a signed note (<https://c2sp.org/signed-note>), with Ed25519; keys are
//! written as these are there. Tools for such logs therefore read ours.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{Hash, Signature};

/// The byte that says Ed25519, in keys and in what their ids are made of.
const ALGORITHM: u8 = 1;
/// Longest name of a key that is read, in bytes `[ours]`.
const NAME_LEN_MAX: usize = 200;

/// Signs heads. The name is that of the log: the ledger of one market.
pub struct Signer {
    pair: Ed25519KeyPair,
    key: PublicKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

impl Signer {
    /// The signer whose secret is this seed (RFC 8032 §5.1.5); `None` for a name that is none (see [`PublicKey::name`]).
    #[must_use]
    pub fn new(name: &str, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let key = PublicKey::new(name, pair.public_key().as_ref().try_into().ok()?)?;
        Some(Self { pair, key })
    }

    /// The key with which its signatures are checked.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Signs the head of a tree.
    ///
    /// # Panics
    /// Never: an Ed25519 signature has 64 bytes.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn sign(&self, size: u64, root: Hash, at: i64) -> SignedHead {
        let key = self.key.clone();
        let mut head = SignedHead { at, key, root, signature: Signature([0; 64]), size };
        let signature = self.pair.sign(head.text().as_bytes());
        head.signature = Signature(signature.as_ref().try_into().expect("64 bytes"));
        head
    }
}

/// A public key with the name of the log that it signs for, written `NAME+ID+KEY`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    name: String,
    key: [u8; 32],
}

impl PublicKey {
    /// A key of a name, which has 1 to 200 bytes, none of them a space or `+`; `None` for another.
    #[must_use]
    pub fn new(name: &str, key: [u8; 32]) -> Option<Self> {
        let fits = (1..=NAME_LEN_MAX).contains(&name.len()) && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        fits.then(|| Self { name: name.to_owned(), key })
    }

    /// The name of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of the key itself.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    fn id_bytes(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update([b'\n', ALGORITHM]).chain_update(self.key).finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// The id that tells the keys of a log apart: eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.id_bytes())
    }

    fn verifies(&self, text: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(text, &signature.0).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[ALGORITHM], self.key.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id(), STANDARD.encode(key))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("not a public key of the form NAME+ID+KEY: {why}");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("it has not three parts"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| wrong("the last part is not base64"))?;
        let Some((&ALGORITHM, key)) = bytes.split_first() else { return Err(wrong("it is not for Ed25519")) };
        let key = key.try_into().map_err(|_| wrong("it has not 32 bytes"))?;
        let key = Self::new(name, key).ok_or_else(|| wrong("the name is empty, too long, or has a space"))?;
        if key.id() == id { Ok(key) } else { Err(wrong("the id is another key's, so a part of it was changed")) }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for PublicKey {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some(r"^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$"))
            .build()
            .into()
    }
}

impl utoipa::ToSchema for PublicKey {
    fn name() -> std::borrow::Cow<'static, str> {
        "LedgerPublicKey".into()
    }
}

/// What a market says its whole ledger was at a moment, with its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// The moment, market ms UTC.
    pub at: i64,
    /// The key that signed, as `NAME+ID+KEY`.
    pub key: PublicKey,
    /// The root of the tree over all entries.
    pub root: Hash,
    /// The signature over [`SignedHead::text`].
    pub signature: Signature,
    /// How many entries the ledger had.
    pub size: u64,
}

impl SignedHead {
    /// What is signed: the name of the log, the size, the root in base64, and the time, a line each.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\ntime {}\n", self.key.name, self.size, STANDARD.encode(self.root.0), self.at)
    }

    /// The head as a signed note: the text, an empty line, and the signature.
    #[must_use]
    pub fn note(&self) -> String {
        let signature = [self.key.id_bytes().as_slice(), self.signature.0.as_slice()].concat();
        format!("{}\n— {} {}\n", self.text(), self.key.name, STANDARD.encode(signature))
    }

    /// Whether its own key has signed it. Whose key that is, is another question.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.key.verifies(self.text().as_bytes(), &self.signature)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The key and the note of the documentation of Go's `golang.org/x/mod/sumdb/note`, whose format this is.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const GO_SIGNATURE: &str = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    const GO_SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn a_key_and_a_signature_of_another_program_are_understood() {
        let key: PublicKey = GO_KEY.parse().unwrap();
        assert_eq!((key.name(), key.id().as_str(), key.to_string().as_str()), ("PeterNeumann", "c74f20a3", GO_KEY));
        let signature = STANDARD.decode(GO_SIGNATURE).unwrap();
        assert_eq!(hex::encode(&signature[..4]), key.id());
        let signature = Signature(signature[4..].try_into().unwrap());
        assert!(key.verifies(GO_TEXT.as_bytes(), &signature));
        assert!(!key.verifies(b"another text", &signature));
        let seed = STANDARD.decode(GO_SEED).unwrap();
        let signer = Signer::new("PeterNeumann", seed[1..].try_into().unwrap()).unwrap();
        assert_eq!(signer.public_key(), &key);
        assert_eq!(signer.pair.sign(GO_TEXT.as_bytes()).as_ref(), signature.0);
    }

    #[test]
    fn a_head_is_signed_whole() {
        let signer = Signer::new("market.example/ledger", &[7; 32]).unwrap();
        let head = signer.sign(12, Hash([3; 32]), 1_767_578_400_000);
        assert!(head.is_signed());
        let text = "market.example/ledger\n12\nAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\ntime 1767578400000\n";
        assert_eq!(head.text(), text);
        assert!(head.note().starts_with(&format!("{text}\n— market.example/ledger ")) && head.note().ends_with('\n'));
        let other = Signer::new("market.example/ledger", &[8; 32]).unwrap();
        let changed = [
            SignedHead { size: 13, ..head.clone() },
            SignedHead { root: Hash([4; 32]), ..head.clone() },
            SignedHead { at: head.at + 1, ..head.clone() },
            SignedHead { key: other.public_key().clone(), ..head.clone() },
            SignedHead { key: PublicKey::new("market.example/other", *head.key.bytes()).unwrap(), ..head.clone() },
            SignedHead { signature: Signature([9; 64]), ..head.clone() },
        ];
        assert!(changed.iter().all(|head| !head.is_signed()));
        let read: SignedHead = serde_json::from_str(&serde_json::to_string(&head).unwrap()).unwrap();
        assert_eq!(read, head);
    }

    #[test]
    fn a_key_that_was_mistyped_is_refused_with_the_reason() {
        for (text, why) in [
            ("PeterNeumann", "three parts"),
            ("PeterNeumann+c74f20a3+ARpc2Qc", "base64"),
            ("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "changed"),
            ("PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "changed"),
            ("PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "Ed25519"),
            ("PeterNeumann+c74f20a3+ARpc", "32 bytes"),
            ("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "space"),
        ] {
            let error = text.parse::<PublicKey>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
