-- Mails to people. What a mail says is sealed, for it may hold a link that opens something; it is forgotten once nobody here needs it.
CREATE TABLE mails (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  account_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  recipient TEXT NOT NULL,
  subject TEXT NOT NULL,
  text_sealed BYTEA,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  last_error TEXT,
  created_at BIGINT NOT NULL,
  sent_at BIGINT
);
CREATE INDEX mails_of_account ON mails (account_id, created_at);
CREATE INDEX mails_in_state ON mails (state, id);

-- When somebody asked for a new password. The token itself is in the mail alone; a row without a user was for nobody we know.
CREATE TABLE password_resets (
  token_hash BYTEA PRIMARY KEY,
  user_id TEXT,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX password_resets_of_user ON password_resets (user_id, created_at) WHERE user_id IS NOT NULL;
CREATE INDEX password_resets_age ON password_resets (created_at);

-- People ask by their address, too.
CREATE INDEX users_by_email ON users (lower(email));

-- Whether somebody wants notices by mail: on, off, or as their roles say.
ALTER TABLE users ADD COLUMN notices_by_mail TEXT;

-- When a notice goes by mail; none once that is done or no longer wanted.
ALTER TABLE notices ADD COLUMN mail_due_at BIGINT;
CREATE INDEX notices_to_mail ON notices (mail_due_at, account_id) WHERE mail_due_at IS NOT NULL;
