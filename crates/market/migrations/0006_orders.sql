CREATE TABLE orders (
  number TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  buyer_id TEXT NOT NULL,
  buyer_user TEXT,
  seller_id TEXT NOT NULL,
  currency TEXT NOT NULL,
  total_minor BIGINT NOT NULL CONSTRAINT order_total_not_negative CHECK (total_minor >= 0),
  created_at BIGINT NOT NULL,
  pay_until BIGINT NOT NULL,
  paid_at BIGINT,
  closed_at BIGINT,
  close_reason TEXT
);
CREATE INDEX orders_of_buyer ON orders (buyer_id, number);
CREATE INDEX orders_of_seller ON orders (seller_id, number);
CREATE INDEX orders_unpaid ON orders (pay_until) WHERE state = 'pending_payment';

-- A line keeps its own copy of everything that priced it: later changes of the catalogue never touch it.
CREATE TABLE order_lines (
  number TEXT PRIMARY KEY,
  order_number TEXT NOT NULL REFERENCES orders (number),
  position BIGINT NOT NULL,
  state TEXT NOT NULL,
  subscription_id TEXT,
  -- For a refund line: the line that is refunded.
  refunds_line TEXT,
  product_id TEXT NOT NULL,
  edition_id TEXT NOT NULL,
  sku_id TEXT NOT NULL,
  price_id TEXT NOT NULL,
  address_id TEXT NOT NULL,
  names TEXT NOT NULL,
  charging_mode TEXT NOT NULL,
  period_unit TEXT,
  period_count BIGINT,
  quantity BIGINT NOT NULL CONSTRAINT line_quantity_positive CHECK (quantity > 0),
  unit_price_minor BIGINT NOT NULL,
  amount_minor BIGINT NOT NULL CONSTRAINT line_amount_not_negative CHECK (amount_minor >= 0),
  tax_bp BIGINT NOT NULL,
  tax_minor BIGINT NOT NULL,
  fee_bp BIGINT NOT NULL,
  -- The volume reduction that belongs to the fee, as JSON.
  fee_steps TEXT NOT NULL,
  refund_rule TEXT NOT NULL,
  -- The time that this line pays for; of a purchase set when it was opened.
  effective_at BIGINT,
  ends_at BIGINT,
  done_at BIGINT,
  -- The choice of renewal made at the purchase, as JSON.
  renewal TEXT
);
CREATE INDEX order_lines_of_order ON order_lines (order_number, position);
CREATE INDEX order_lines_of_subscription ON order_lines (subscription_id, number) WHERE subscription_id IS NOT NULL;
CREATE UNIQUE INDEX order_line_refunded_unique ON order_lines (refunds_line) WHERE refunds_line IS NOT NULL AND state <> 'cancelled';
