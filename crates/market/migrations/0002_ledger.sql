-- Double entry, append only. A posting moves amount from source to destination, so it cannot be unbalanced.

CREATE TABLE ledger_transactions (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  reference TEXT NOT NULL,
  currency TEXT NOT NULL
);
CREATE INDEX ledger_reference ON ledger_transactions (reference, id);

CREATE TABLE ledger_postings (
  transaction_id TEXT NOT NULL REFERENCES ledger_transactions (id),
  line BIGINT NOT NULL,
  source TEXT NOT NULL,
  destination TEXT NOT NULL,
  amount_minor BIGINT NOT NULL CONSTRAINT posting_positive CHECK (amount_minor > 0),
  CONSTRAINT posting_moves CHECK (source <> destination),
  PRIMARY KEY (transaction_id, line)
);
CREATE INDEX ledger_source ON ledger_postings (source, transaction_id);
CREATE INDEX ledger_destination ON ledger_postings (destination, transaction_id);

-- Transactions that wait to be sealed into the chain.
CREATE TABLE ledger_unsealed (
  transaction_id TEXT PRIMARY KEY
);

-- The hash chain: sequence 1, 2, 3 …; each hash covers the one before and the whole transaction.
-- Two sealers that meet at a sequence: the second runs again on the head that the first has made.
CREATE TABLE ledger_seals (
  sequence BIGINT CONSTRAINT ledger_seals_once PRIMARY KEY,
  transaction_id TEXT NOT NULL,
  sealed_at BIGINT NOT NULL,
  hash BYTEA NOT NULL
);
CREATE UNIQUE INDEX ledger_seal_once ON ledger_seals (transaction_id);

-- Balances that must not fall below zero. One row a buyer and currency, so no two buyers ever wait for each other.
CREATE TABLE ledger_wallets (
  account TEXT NOT NULL,
  currency TEXT NOT NULL,
  balance_minor BIGINT NOT NULL CONSTRAINT wallet_not_negative CHECK (balance_minor >= 0),
  CONSTRAINT ledger_wallets_once PRIMARY KEY (account, currency)
);

-- Bank transfers that the operator recorded.
CREATE TABLE deposits (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  bank_reference TEXT NOT NULL,
  note TEXT NOT NULL,
  recorded_by TEXT NOT NULL,
  recorded_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX deposit_reference_unique ON deposits (bank_reference);
CREATE INDEX deposits_of_account ON deposits (account_id, id);
