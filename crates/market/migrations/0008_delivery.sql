-- Something that must become true at a seller's server.
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  scene TEXT NOT NULL,
  state TEXT NOT NULL,
  subscription_id TEXT NOT NULL,
  order_number TEXT,
  line_number TEXT,
  seller_id TEXT NOT NULL,
  product_id TEXT NOT NULL,
  address_id TEXT NOT NULL,
  -- The request without what differs on each attempt, as JSON.
  request TEXT NOT NULL,
  instance_id TEXT,
  -- The answer to the last query of the instance, sealed: it holds the buyer's first password.
  instance_sealed BYTEA,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  attempts BIGINT NOT NULL,
  round BIGINT NOT NULL,
  last_verdict TEXT,
  ended_at BIGINT
);
CREATE INDEX deliveries_of_subscription ON deliveries (subscription_id, id);
CREATE INDEX deliveries_of_seller ON deliveries (seller_id, id);
CREATE INDEX deliveries_failed ON deliveries (product_id, ended_at) WHERE state = 'gave_up';

-- Every call, kept whole; secrets are masked before they are stored.
CREATE TABLE delivery_attempts (
  delivery_id TEXT NOT NULL REFERENCES deliveries (id),
  n BIGINT NOT NULL,
  kind TEXT NOT NULL,
  at BIGINT NOT NULL,
  wall_at BIGINT NOT NULL,
  url TEXT NOT NULL,
  request_body TEXT NOT NULL,
  status BIGINT,
  answer_type TEXT,
  answer_body TEXT,
  elapsed_ms BIGINT NOT NULL,
  verdict TEXT NOT NULL,
  detail TEXT NOT NULL,
  CONSTRAINT delivery_attempts_once PRIMARY KEY (delivery_id, n)
);
