-- What every domain stands on: work to do later, the sandbox clock, idempotency keys, the audit, notices.

CREATE TABLE jobs (
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  lane TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  lease_token TEXT NOT NULL,
  last_error TEXT,
  stuck_at BIGINT,
  PRIMARY KEY (kind, subject)
);
CREATE INDEX jobs_due ON jobs (due_at) WHERE stuck_at IS NULL;
CREATE INDEX jobs_held ON jobs (lease_until, lane) WHERE lease_until > 0;

-- One row, and only in a sandbox market. While ticking_since is set, market time = base_at + (wall time - ticking_since).
CREATE TABLE sandbox_clock (
  id BIGINT PRIMARY KEY CONSTRAINT sandbox_clock_one CHECK (id = 1),
  base_at BIGINT NOT NULL,
  ticking_since BIGINT,
  mover TEXT NOT NULL,
  mover_until BIGINT NOT NULL
);

-- What kind of market this database is, and other facts that must not change under it.
CREATE TABLE market_facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE idempotency_keys (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint BYTEA NOT NULL,
  answer TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  CONSTRAINT idempotency_keys_once PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- Who changed what. thread groups rows into the timeline of a subscription or an order.
CREATE TABLE audit (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  account_id TEXT,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  thread TEXT,
  detail TEXT NOT NULL,
  request_id TEXT NOT NULL
);
CREATE INDEX audit_thread ON audit (thread, id) WHERE thread IS NOT NULL;
CREATE INDEX audit_account ON audit (account_id, id) WHERE account_id IS NOT NULL;

CREATE TABLE notices (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  args TEXT NOT NULL,
  read_at BIGINT
);
CREATE INDEX notices_inbox ON notices (account_id, id);
CREATE INDEX notices_unread ON notices (account_id) WHERE read_at IS NULL;
