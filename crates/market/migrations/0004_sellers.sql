CREATE TABLE sellers (
  account_id TEXT PRIMARY KEY REFERENCES accounts (id),
  state TEXT NOT NULL,
  company TEXT NOT NULL,
  website TEXT NOT NULL,
  contact_name TEXT NOT NULL,
  contact_email TEXT NOT NULL,
  contact_phone TEXT NOT NULL,
  bank_name TEXT NOT NULL,
  bank_account_sealed BYTEA NOT NULL,
  bank_account_hint TEXT NOT NULL,
  applied_at BIGINT NOT NULL,
  decided_at BIGINT,
  decided_by TEXT,
  reason TEXT,
  version BIGINT NOT NULL
);
CREATE INDEX sellers_by_state ON sellers (state, account_id);

-- Keys that sign our calls to a seller's server (spec: protocol §1.1). Not AK/SK.
CREATE TABLE seller_keys (
  id TEXT PRIMARY KEY,
  seller_id TEXT NOT NULL REFERENCES sellers (account_id),
  name TEXT NOT NULL,
  key_sealed BYTEA NOT NULL,
  hint TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  retired_at BIGINT
);
CREATE INDEX seller_keys_of_seller ON seller_keys (seller_id, id);

CREATE TABLE production_addresses (
  id TEXT PRIMARY KEY,
  seller_id TEXT NOT NULL REFERENCES sellers (account_id),
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  dialect TEXT NOT NULL,
  key_id TEXT NOT NULL REFERENCES seller_keys (id),
  created_at BIGINT NOT NULL,
  retired_at BIGINT,
  version BIGINT NOT NULL
);
CREATE INDEX production_addresses_of_seller ON production_addresses (seller_id, id);

-- The breaker of an address: after several failures in a row its calls wait. Wall time.
CREATE TABLE address_breakers (
  address_id TEXT PRIMARY KEY REFERENCES production_addresses (id),
  failures BIGINT NOT NULL,
  open_until BIGINT NOT NULL
);
