-- Until when jobs are held whose work outlasts their lease, by the token of the lease; wall time.
CREATE TABLE job_holds (
  token TEXT PRIMARY KEY,
  until BIGINT NOT NULL
);

-- Who runs the market, among a million accounts.
CREATE INDEX accounts_of_operator ON accounts (operator_at) WHERE operator_at IS NOT NULL;

-- The statements of a month in the order of sellers, and those whose rest a later month may pay.
CREATE INDEX statements_of_month ON statements (period, seller_id, currency);
CREATE INDEX statements_carried ON statements (seller_id, carried_out_minor) WHERE state = 'carried';

-- Sessions are forgotten by their end.
CREATE INDEX sessions_end ON sessions (expires_at);
