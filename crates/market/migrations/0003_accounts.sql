CREATE TABLE accounts (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  -- Since when the account is an approved seller; kept in step by the sellers, read at every sign-in check.
  seller_at BIGINT,
  operator_at BIGINT,
  version BIGINT NOT NULL
);
CREATE UNIQUE INDEX account_name_unique ON accounts (name_key);

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  login TEXT NOT NULL,
  login_key TEXT NOT NULL,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT NOT NULL,
  locale TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  wrong_tries BIGINT NOT NULL,
  locked_until BIGINT NOT NULL,
  disabled_at BIGINT,
  created_at BIGINT NOT NULL,
  version BIGINT NOT NULL
);
CREATE UNIQUE INDEX login_unique ON users (login_key);
CREATE INDEX users_of_account ON users (account_id, id);

CREATE TABLE user_roles (
  user_id TEXT NOT NULL REFERENCES users (id),
  role TEXT NOT NULL,
  PRIMARY KEY (user_id, role)
);

-- Times of sessions, tokens and keys are wall time: a sandbox clock that jumps signs nobody out.
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  token_hash BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  ended_at BIGINT,
  client TEXT NOT NULL
);
CREATE UNIQUE INDEX session_token_unique ON sessions (token_hash);
CREATE INDEX sessions_of_user ON sessions (user_id, id);

CREATE TABLE api_tokens (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  name TEXT NOT NULL,
  token_hash BYTEA NOT NULL,
  hint TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT,
  revoked_at BIGINT
);
CREATE UNIQUE INDEX api_token_unique ON api_tokens (token_hash);
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, id);

-- AK/SK pairs, with which sellers' servers sign calls to the open API.
CREATE TABLE access_keys (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts (id),
  user_id TEXT NOT NULL,
  access_key TEXT NOT NULL,
  secret_sealed BYTEA NOT NULL,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  used_at BIGINT,
  revoked_at BIGINT
);
CREATE UNIQUE INDEX access_key_unique ON access_keys (access_key);
CREATE INDEX access_keys_of_account ON access_keys (account_id, id);
