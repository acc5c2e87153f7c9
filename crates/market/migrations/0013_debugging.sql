-- What sellers tried out against their own servers, marked as debugging calls; the oldest of a seller are forgotten.
CREATE TABLE debug_tries (
  id TEXT PRIMARY KEY,
  seller_id TEXT NOT NULL REFERENCES sellers (account_id),
  address_id TEXT NOT NULL REFERENCES production_addresses (id),
  -- The test case that was run again.
  case_id TEXT,
  scene TEXT NOT NULL,
  signing TEXT NOT NULL,
  -- What was filled in, as JSON.
  parameters TEXT NOT NULL,
  at BIGINT NOT NULL,
  -- Machine time: how many tries a minute are taken is counted by it.
  wall_at BIGINT NOT NULL,
  tried_by TEXT NOT NULL,
  -- 'sending' until the answer is written down.
  verdict TEXT NOT NULL,
  url TEXT NOT NULL,
  request_body TEXT NOT NULL,
  status BIGINT,
  answer_type TEXT,
  answer_body TEXT,
  elapsed_ms BIGINT,
  -- What was found, as JSON.
  findings TEXT NOT NULL
);
CREATE INDEX debug_tries_of_seller ON debug_tries (seller_id, id);
CREATE INDEX debug_tries_of_minute ON debug_tries (seller_id, wall_at);

-- A try that passed, kept under a name to be run again.
CREATE TABLE debug_cases (
  id TEXT PRIMARY KEY,
  seller_id TEXT NOT NULL REFERENCES sellers (account_id),
  address_id TEXT NOT NULL REFERENCES production_addresses (id),
  name TEXT NOT NULL,
  scene TEXT NOT NULL,
  signing TEXT NOT NULL,
  parameters TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  -- The last time it was run.
  last_try_id TEXT,
  last_at BIGINT NOT NULL,
  last_verdict TEXT NOT NULL
);
CREATE INDEX debug_cases_of_seller ON debug_cases (seller_id, id);
CREATE UNIQUE INDEX debug_case_name_unique ON debug_cases (address_id, name);

-- What needs a seller today: calls that failed and are tried again, and those that were given up.
CREATE INDEX deliveries_retried ON deliveries (seller_id) WHERE state = 'waiting' AND attempts > 0;
CREATE INDEX deliveries_gave_up ON deliveries (seller_id, ended_at) WHERE state = 'gave_up';
