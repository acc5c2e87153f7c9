//! Secrets at rest: sealed with one master key that never enters the database.
//!
//! XChaCha20-Poly1305 with a random nonce. What a secret belongs to is part of the seal, so a sealed value copied to another row does not
//! open there.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use kernel::Entropy;
use sha2::{Digest, Sha256};

/// Length of the nonce that leads a sealed value.
const NONCE_LEN: usize = 24;

/// Seals and opens secrets with the market's master key.
#[derive(Clone)]
pub struct Vault(XChaCha20Poly1305);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// A vault with this master key.
    #[must_use]
    pub fn new(master_key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&Key::from(*master_key)))
    }

    /// Tells master keys apart without telling them: 16 hexadecimal digits of a digest, which says nothing about 32 random bytes.
    #[must_use]
    pub fn fingerprint(master_key: &[u8; 32]) -> String {
        let digest = Sha256::new().chain_update(b"yunshi master key\0").chain_update(master_key).finalize();
        hex::encode(&digest[..8])
    }

    /// Seals `secret`; `owner` says whose it is, such as the id of its row.
    ///
    /// # Panics
    /// Never for secrets shorter than 256 GiB.
    #[must_use]
    pub fn seal(&self, owner: &str, secret: &[u8], entropy: &Entropy) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = entropy.bytes();
        let payload = Payload { msg: secret, aad: owner.as_bytes() };
        #[allow(clippy::expect_used)]
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).expect("a secret of a sensible length");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Opens what [`Vault::seal`] sealed for the same owner.
    ///
    /// # Errors
    /// [`db::Error::Broken`] when the master key is another one, or the value was changed or moved.
    pub fn open(&self, owner: &str, sealed: &[u8]) -> db::Result<Vec<u8>> {
        let cannot = || db::Error::broken(format!("the secret of {owner} does not open: it was sealed with another master key or changed"));
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(cannot)?;
        self.0.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: owner.as_bytes() }).map_err(|_| cannot())
    }

    /// Opens a secret that is text.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_text(&self, owner: &str, sealed: &[u8]) -> db::Result<String> {
        String::from_utf8(self.open(owner, sealed)?).map_err(|_| db::Error::broken("a secret that is not text"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_owner_and_its_key_alone() {
        let entropy = Entropy::from_seed([9; 32]);
        let vault = Vault::new(&[1; 32]);
        let sealed = vault.seal("skk_1", "钥匙".as_bytes(), &entropy);
        assert_eq!(vault.open_text("skk_1", &sealed).unwrap(), "钥匙");
        assert!(vault.open("skk_2", &sealed).is_err());
        assert!(Vault::new(&[2; 32]).open("skk_1", &sealed).is_err());
        assert!(vault.open("skk_1", &sealed[..10]).is_err());
        assert_ne!(Vault::fingerprint(&[1; 32]), Vault::fingerprint(&[2; 32]));
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert!(vault.open("skk_1", &changed).is_err());
    }
}
