-- Lists that somebody asked for as a file. The texts of the file are kept with it: they are in the language of whoever asked.
CREATE TABLE exports (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  user_id TEXT,
  kind TEXT NOT NULL,
  format TEXT NOT NULL,
  filter TEXT NOT NULL,
  wording TEXT NOT NULL,
  state TEXT NOT NULL,
  -- The lease of the worker that writes it; another one begins anew.
  run TEXT NOT NULL,
  rows_done BIGINT NOT NULL,
  rows_total BIGINT,
  -- When it turned out to be longer than a file may be.
  cut_at BIGINT,
  file_name TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  done_at BIGINT,
  expires_at BIGINT
);
CREATE INDEX exports_of_account ON exports (account_id, id);

-- The file, in parts from 1 on; what is no export's any more is removed by its job.
CREATE TABLE export_parts (
  export_id TEXT NOT NULL,
  n BIGINT NOT NULL,
  content BYTEA NOT NULL,
  PRIMARY KEY (export_id, n)
);
