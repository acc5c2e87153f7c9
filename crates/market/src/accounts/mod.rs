//! Accounts, the people of an account and what they may do: sign-in, sessions, API tokens, AK/SK pairs (spec: business §1.1, §1.5).
//!
//! One account may be buyer, seller and operator at once; what it is shows in its row (`seller_at`, `operator_at`), what a person may do
//! follows from their roles (see [`Role::permissions`]).
//!
//! Invariants:
//! * names of accounts and sign-in names are unique after folding case and width (`ＡＣＭＥ` is `acme`);
//! * an account never loses the last enabled user who owns it;
//! * no password, token or secret key is in the database in clear: passwords are hashed with argon2id, tokens with SHA-256, secret keys are
//!   sealed by the vault; each secret is shown once;
//! * sessions, tokens, locks and their times go by the machine's time ([`kernel::Ctx::wall`]), so a sandbox clock that jumps signs nobody out;
//! * hashing takes memory and time, so it never happens inside a transaction.
//!
//! Left out: limits per network address (the doors), second factors, that an address is theirs who gave it.

mod access_key;
mod account;
mod password;
mod principal;
mod reset;
mod role;
pub(crate) mod rules;
mod secret;
mod session;
mod store;
mod token;
mod user;

pub use access_key::{
    ACCESS_KEYS_MAX, AccessKeySecret, AccessKeyView, access_keys, create_access_key, get_access_key, revoke_access_key, secret_of,
    touch_access_key,
};
pub use account::{
    Account, AccountKind, NewAccount, admit_seller, create_account, create_operator, dismiss_seller, find_by_name, get, list,
};
pub use password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, PasswordHash, hash};
pub use principal::{Principal, authenticate, principal};
pub use reset::{RESET_MS, RESETS_PER_HOUR_MAX, ResetFor, ask_reset, find_reset, forget_old_resets, reset_by_token};
pub use role::{Audience, Permission, Role};
pub use session::{
    SESSION_ABSOLUTE_MS, SESSION_SLIDING_MS, SESSIONS_MAX, SessionView, SignedIn, change_password, end_all_sessions, end_session,
    forget_old_sessions, get_session, sessions, sign_in, sign_out,
};
pub use token::{NewToken, TOKEN_LIFE_MS_MAX, TOKENS_MAX, TokenView, create_token, get_token, revoke_token, tokens};
pub use user::{
    NewUser, NoticesByMail, User, UserDetails, add_user, disable, enable, get_user, notice_readers, notices_by_mail, reset_password,
    set_notices_by_mail, set_roles, update_user, users,
};

/// How often the last use of a session, token or key is written at most: a request must not cost a write.
pub const TOUCH_MS: i64 = 5 * kernel::MINUTE_MS;
