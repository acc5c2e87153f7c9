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
