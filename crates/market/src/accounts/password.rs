//! Passwords: which are good enough, and how they are kept (argon2id, PHC text).
//!
//! Hashing costs 19 MiB and tens of milliseconds on purpose. It runs on threads of its own, a few at a time, and never in a transaction.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use kernel::{Code, Entropy, Refusal};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The shortest password, characters (NIST SP 800-63B asks for 8; 10 is what we want of people who spend a company's money).
pub const PASSWORD_CHARS_MIN: usize = 10;
/// The longest password, characters.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// A password of fewer different characters is guessed early.
const DIFFERENT_CHARS_MIN: usize = 5;

/// Memory of one hash, KiB (OWASP password storage: argon2id, 19 MiB, 2 passes, 1 lane).
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Bytes of the salt.
const SALT_LEN: usize = 16;

/// Hashes made at the same time: with their memory they must fit beside the rest of a small server.
const AT_ONCE_MAX: usize = 4;
/// Hashes under way or waiting. More than a person would wait for is refused at once.
const WAITING_MAX: usize = 128;
/// How long somebody who was refused should wait, seconds.
const WAIT_SECONDS: i64 = 5;

// Memory is the process's, whatever number of markets live in it: these two guard it and hold nothing else.
static AT_ONCE: Semaphore = Semaphore::const_new(AT_ONCE_MAX);
static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);

/// Passwords of 10 and more characters that everybody tries first: rows of keys, words with a year's digits, common phrases. In lower case.
const COMMON: &[&str] = &[
    "0123456789",
    "0987654321",
    "1029384756",
    "10203040506",
    "1122334455",
    "11223344556677",
    "12344321aa",
    "1234554321",
    "12345678910",
    "1234567890",
    "12345678900",
    "123456789a",
    "123456789q",
    "123456789z",
    "123456789abc",
    "1234567890a",
    "1234567891",
    "1234567899",
    "1234567890q",
    "123qwe123qwe",
    "123qweasdzxc",
    "1357924680",
    "147258369a",
    "147852369a",
    "1a2b3c4d5e",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1q2w3e4r5t6y7u",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "1qazxsw23edc",
    "3.1415926535",
    "3rjs1la7qe",
    "5201314520",
    "5201314521",
    "741852963a",
    "7758521521",
    "9876543210",
    "a123456789",
    "a1234567890",
    "a1b2c3d4e5",
    "aa123456789",
    "aaa123456789",
    "abc123456789",
    "abc1234567",
    "abcd123456",
    "abcd12345678",
    "abcde12345",
    "abcdef123456",
    "abcdefghij",
    "abcdefg123",
    "admin12345",
    "admin123456",
    "adminadmin",
    "administrator",
    "asd123456789",
    "asdf123456",
    "asdf1234567",
    "asdfghjkl1",
    "asdfghjkl;",
    "asdfghjkl123",
    "asdqwe123456",
    "basketball",
    "butterfly1",
    "changeme123",
    "changeme1234",
    "charlie123",
    "chocolate1",
    "computer123",
    "dearbook123",
    "football123",
    "huawei@123",
    "huawei12345",
    "huawei@1234",
    "i love you",
    "iloveyou12",
    "iloveyou123",
    "iloveyou1314",
    "letmein123",
    "letmein1234",
    "liverpool1",
    "manchester",
    "michelle123",
    "monkey12345",
    "mypassword",
    "mypassword1",
    "p@ssw0rd123",
    "p@ssw0rd1234",
    "p@ssword123",
    "passw0rd123",
    "passw0rd1234",
    "password01",
    "password11",
    "password12",
    "password123",
    "password1234",
    "password12345",
    "password123456",
    "password!123",
    "password@1",
    "password@123",
    "passwordpassword",
    "princess123",
    "q1w2e3r4t5",
    "q1w2e3r4t5y6",
    "qazwsx123456",
    "qazwsxedc1",
    "qazwsxedc123",
    "qazwsxedcrfv",
    "qq123456789",
    "qwe123456789",
    "qweasdzxc1",
    "qweasdzxc123",
    "qweqweqwe123",
    "qwer123456",
    "qwer12345678",
    "qwerasdfzxcv",
    "qwert12345",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop",
    "qwertyuiop1",
    "qwertyuiop123",
    "qwertyuiop[]",
    "root123456",
    "sunshine123",
    "superman123",
    "test123456",
    "unknown123",
    "user123456",
    "w123456789",
    "wang123456",
    "welcome123",
    "welcome1234",
    "welcome@123",
    "woaini1314",
    "woaini1314520",
    "woaini123456",
    "woaini5201314",
    "wojiushiwo",
    "xiaoming123",
    "z123456789",
    "zaq12wsxcde3",
    "zhang123456",
    "zxcvbnm123",
    "zxcvbnm12345",
    "zxcvbnm,./",
];

/// A password as it is stored: the PHC text of argon2id. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl kernel::ToScalar for PasswordHash {
    fn to_scalar(&self) -> kernel::Scalar {
        self.0.to_scalar()
    }
}

impl kernel::FromScalar for PasswordHash {
    fn from_scalar(scalar: kernel::Scalar) -> Result<Self, kernel::ScalarError> {
        String::from_scalar(scalar).map(Self)
    }
}

impl PasswordHash {
    /// Judges and hashes a new password for `login`. Takes 19 MiB and tens of milliseconds: call it through [`hash`], or where nobody waits;
    /// never in a transaction.
    ///
    /// # Errors
    /// [`Code::PasswordWeak`] when it is shorter than [`PASSWORD_CHARS_MIN`], longer than [`PASSWORD_CHARS_MAX`], holds the sign-in name, has
    /// fewer than five different characters, or is one that everybody tries first. [`Code::Unavailable`] when there is no memory for it.
    pub fn new(password: &str, login: &str, entropy: &Entropy) -> Result<Self, Refusal> {
        let password = normal(password);
        judge(&password, login)?;
        let hash = hasher().hash_password_with_salt(password.as_bytes(), &entropy.bytes::<SALT_LEN>());
        hash.map(|phc| Self(phc.to_string())).map_err(|_| Refusal::new(Code::Unavailable))
    }

    /// Whether `password` is the one. As costly as [`PasswordHash::new`].
    fn fits(&self, password: &str) -> bool {
        let Ok(stored) = phc::PasswordHash::new(&self.0) else { return false };
        hasher().verify_password(normal(password).as_bytes(), &stored).is_ok()
    }
}

/// Judges and hashes a new password without holding up the others.
///
/// # Errors
/// As [`PasswordHash::new`]; [`Code::TooManyRequests`] when too many are waiting.
pub async fn hash(password: &str, login: &str, entropy: &Entropy) -> db::Result<PasswordHash> {
    let (password, login, entropy) = (Zeroizing::new(password.to_owned()), login.to_owned(), entropy.fork());
    on_a_thread(move || PasswordHash::new(&password, &login, &entropy)).await?.map_err(db::Error::from)
}

/// Whether `password` is the one of `stored`.
///
/// # Errors
/// [`Code::TooManyRequests`] when too many are waiting.
pub(super) async fn verify(password: &str, stored: &PasswordHash) -> db::Result<bool> {
    let (password, stored) = (Zeroizing::new(password.to_owned()), stored.clone());
    on_a_thread(move || stored.fits(&password)).await
}

/// The work of [`verify`] for a sign-in name that nobody has: the time of an answer must not tell which names exist.
///
/// # Errors
/// As [`verify`].
pub(super) async fn verify_nothing(password: &str) -> db::Result<()> {
    let password = Zeroizing::new(password.to_owned());
    // The outcome is of no use to anybody; only the work counts.
    on_a_thread(move || drop(hasher().hash_password_with_salt(normal(&password).as_bytes(), &[0; SALT_LEN]))).await
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> db::Result<T> {
    let busy = || Refusal::new(Code::TooManyRequests).with("seconds", WAIT_SECONDS);
    let place = WAITING.try_acquire().map_err(|_| busy())?;
    let permit = AT_ONCE.acquire().await.map_err(|_| busy())?;
    let worked = tokio::task::spawn_blocking(move || {
        // Moved here, because a caller that goes away does not stop the work.
        let _held = (place, permit);
        work()
    });
    worked.await.map_err(|e| db::Error::Broken(Box::new(e)))
}

fn hasher() -> Argon2<'static> {
    #[allow(clippy::expect_used)]
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("parameters within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The same password typed on another keyboard is the same password (NIST SP 800-63B §3.1.1.2). Never longer than it may be.
fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfkc().take(PASSWORD_CHARS_MAX + 1).collect())
}

fn judge(password: &str, login: &str) -> Result<(), Refusal> {
    let length = password.chars().count();
    let lower = Zeroizing::new(password.to_lowercase());
    let different = password.chars().collect::<std::collections::BTreeSet<_>>().len();
    let holds_login = !login.is_empty() && lower.contains(&login.to_lowercase());
    let weak = !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&length)
        || different < DIFFERENT_CHARS_MIN
        || holds_login
        || COMMON.contains(&lower.as_str());
    if weak { Err(Refusal::new(Code::PasswordWeak).with("min", PASSWORD_CHARS_MIN)) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_and_good_ones_are_not() {
        let long = "long enough ".repeat(11);
        for weak in ["", "short pw1", "aaaaaaaaaaaa", "1212121212", "Password123", "QWERTYUIOP", "my wang.fang pw", "WANG.FANG 2026", &long]
        {
            assert_eq!(judge(&normal(weak), "wang.fang").map_err(|r| r.code), Err(Code::PasswordWeak), "{weak}");
        }
        for good in ["correct horse", "春江潮水连海平，海上明月共潮生", "xK9#mmmmmm", &long[..128]] {
            assert_eq!(judge(&normal(good), "wang.fang"), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for word in COMMON {
            assert_eq!(judge(&normal(&word.to_uppercase()), "wang.fang").map_err(|r| r.code), Err(Code::PasswordWeak), "{word}");
            // Each is here because no other rule refuses it.
            assert!(
                word.chars().count() >= PASSWORD_CHARS_MIN
                    && word.chars().collect::<std::collections::BTreeSet<_>>().len() >= DIFFERENT_CHARS_MIN
            );
            assert_eq!(**word, word.to_lowercase());
        }
    }

    #[test]
    fn a_hash_names_its_parameters_opens_for_its_password_alone_and_shows_nothing() {
        let entropy = Entropy::from_seed([8; 32]);
        let hash = PasswordHash::new("plum rain at 7", "wang.fang", &entropy).unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(hash.fits("plum rain at 7") && hash.fits("plum rain at ７"));
        assert!(!hash.fits("plum rain at 8"));
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }
}
