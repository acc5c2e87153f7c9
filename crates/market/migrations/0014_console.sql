-- The numbers of the business that the operator set while the market ran; what was never set, or was given back (value is NULL), is the
-- configuration's. version is that of the last change, so that two people who edit the same number learn of each other.
CREATE TABLE site_numbers (
  key TEXT PRIMARY KEY,
  value TEXT,
  version BIGINT NOT NULL
);

-- Every change, in the order of all of them: a process that knows the last version knows all numbers.
CREATE TABLE site_number_changes (
  version BIGINT CONSTRAINT site_number_changes_once PRIMARY KEY,
  key TEXT NOT NULL,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  given_back BIGINT NOT NULL,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL
);
CREATE INDEX site_number_changes_of_key ON site_number_changes (key, version);

-- What the operator's console asks for. Rows of orders and subscriptions stand in their threads; only the others are found by what they are about.
CREATE INDEX audit_subject ON audit (subject, id) WHERE thread IS NULL;
CREATE INDEX audit_action ON audit (action, id) WHERE thread IS NULL;
CREATE INDEX orders_to_review ON orders (number) WHERE state = 'pending_review';
CREATE INDEX orders_failed ON orders (number) WHERE state = 'failed';
CREATE INDEX deliveries_given_up ON deliveries (id) WHERE state = 'gave_up';
CREATE INDEX jobs_stuck ON jobs (stuck_at) WHERE stuck_at IS NOT NULL;
