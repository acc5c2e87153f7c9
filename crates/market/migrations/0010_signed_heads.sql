-- The Merkle tree over the sealed transactions (RFC 6962): the hash of each complete subtree, which never changes again.
-- A leaf has level 0 and the place sequence - 1; above it, a subtree of 2^level leaves at its place among those of its level.
CREATE TABLE ledger_tree (
  level BIGINT NOT NULL,
  place BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  CONSTRAINT ledger_tree_once PRIMARY KEY (level, place)
);

-- What the market said its whole ledger was, at most once for each hour in which something was sealed.
CREATE TABLE ledger_heads (
  size BIGINT CONSTRAINT ledger_heads_once PRIMARY KEY,
  at BIGINT NOT NULL,
  root BYTEA NOT NULL,
  key_id TEXT NOT NULL,
  signature BYTEA NOT NULL
);
CREATE UNIQUE INDEX ledger_head_at_once ON ledger_heads (at);

-- The keys that heads are signed with. Secrets are sealed with the master key; retired ones stay, for their heads do.
CREATE TABLE ledger_keys (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  public_key TEXT NOT NULL,
  secret BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT
);
CREATE UNIQUE INDEX ledger_key_current_once ON ledger_keys (state) WHERE state = 'current';
