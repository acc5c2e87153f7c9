-- A sale or a refund on its way into a statement.
CREATE TABLE settlement_items (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  seller_id TEXT NOT NULL,
  product_id TEXT NOT NULL,
  order_number TEXT NOT NULL,
  line_number TEXT NOT NULL,
  -- For a refund: the line of the sale that is given back.
  refunds_line TEXT,
  -- What the buyer paid or got back, never negative.
  amount_minor BIGINT NOT NULL CONSTRAINT settlement_amount_not_negative CHECK (amount_minor >= 0),
  currency TEXT NOT NULL,
  fee_bp BIGINT NOT NULL,
  -- The volume reduction that was agreed with the fee, as JSON.
  fee_steps TEXT NOT NULL,
  paid_at BIGINT NOT NULL,
  effective_at BIGINT NOT NULL,
  -- Not billable before this: until then the buyer may still return it without reason.
  guaranteed_until BIGINT NOT NULL,
  statement_id TEXT
);
CREATE UNIQUE INDEX settlement_item_unique ON settlement_items (line_number, kind);
CREATE UNIQUE INDEX settlement_refund_unique ON settlement_items (refunds_line) WHERE refunds_line IS NOT NULL;
CREATE INDEX settlement_items_of_seller ON settlement_items (seller_id, id);
CREATE INDEX settlement_items_open ON settlement_items (seller_id, effective_at, id) WHERE state = 'open';
CREATE INDEX settlement_items_of_product ON settlement_items (product_id, paid_at);

-- Frozen when made, with its own copy of the numbers that made it; only the payout is added later.
CREATE TABLE statements (
  id TEXT PRIMARY KEY,
  seller_id TEXT NOT NULL,
  period TEXT NOT NULL,
  state TEXT NOT NULL,
  currency TEXT NOT NULL,
  sales_minor BIGINT NOT NULL,
  refunds_minor BIGINT NOT NULL,
  fee_minor BIGINT NOT NULL,
  fee_tax_minor BIGINT NOT NULL,
  fee_tax_bp BIGINT NOT NULL,
  carried_in_minor BIGINT NOT NULL,
  carried_out_minor BIGINT NOT NULL,
  payable_minor BIGINT NOT NULL CONSTRAINT payable_not_negative CHECK (payable_minor >= 0),
  payout_min_minor BIGINT NOT NULL,
  line_count BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  paid_at BIGINT,
  paid_by TEXT,
  bank_reference TEXT
);
CREATE UNIQUE INDEX statement_period_unique ON statements (seller_id, period, currency);
CREATE UNIQUE INDEX payout_reference_unique ON statements (bank_reference) WHERE bank_reference IS NOT NULL;

CREATE TABLE statement_lines (
  statement_id TEXT NOT NULL REFERENCES statements (id),
  n BIGINT NOT NULL,
  kind TEXT NOT NULL,
  order_number TEXT NOT NULL,
  line_number TEXT NOT NULL,
  refunds_line TEXT,
  product_id TEXT NOT NULL,
  effective_at BIGINT NOT NULL,
  -- Refunds and what they give back of the fee are negative.
  amount_minor BIGINT NOT NULL,
  fee_bp BIGINT NOT NULL,
  reduction_bp BIGINT NOT NULL,
  fee_minor BIGINT NOT NULL,
  net_minor BIGINT NOT NULL,
  PRIMARY KEY (statement_id, n)
);
-- A line is billed once.
CREATE UNIQUE INDEX statement_line_unique ON statement_lines (line_number, kind);
