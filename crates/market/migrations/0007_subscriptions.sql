CREATE TABLE subscriptions (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  buyer_id TEXT NOT NULL,
  seller_id TEXT NOT NULL,
  product_id TEXT NOT NULL,
  edition_id TEXT NOT NULL,
  sku_id TEXT NOT NULL,
  price_id TEXT NOT NULL,
  address_id TEXT NOT NULL,
  names TEXT NOT NULL,
  charging_mode TEXT NOT NULL,
  period_unit TEXT,
  quantity BIGINT NOT NULL,
  purchase_line TEXT NOT NULL,
  instance_id TEXT,
  created_at BIGINT NOT NULL,
  -- The end is reckoned as anchor + months, so that the 31st does not become the 28th for good.
  anchor_at BIGINT,
  months BIGINT NOT NULL,
  ends_at BIGINT,
  expired_at BIGINT,
  suspended_at BIGINT,
  suspend_reason TEXT,
  release_at BIGINT,
  released_at BIGINT,
  release_reason TEXT,
  renewal_mode TEXT NOT NULL,
  renewal_unit TEXT,
  renewal_count BIGINT,
  renewal_left BIGINT,
  -- What it becomes when a renewal with a change begins.
  next_item TEXT,
  next_quantity BIGINT,
  next_at BIGINT,
  open_order TEXT,
  -- Up to which event of its calendar the subscription has been stepped, and when the next is due.
  marker BIGINT NOT NULL,
  due_at BIGINT,
  version BIGINT NOT NULL
);
CREATE INDEX subscriptions_of_buyer ON subscriptions (buyer_id, id);
CREATE INDEX subscriptions_of_seller ON subscriptions (seller_id, id);
CREATE INDEX subscriptions_due ON subscriptions (due_at, id) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX subscription_instance_once ON subscriptions (address_id, instance_id) WHERE instance_id IS NOT NULL;

-- Self-service refunds used, by account and calendar year (spec: business §6.4).
CREATE TABLE refund_quota (
  account_id TEXT NOT NULL,
  year BIGINT NOT NULL,
  used BIGINT NOT NULL CONSTRAINT refund_quota_not_negative CHECK (used >= 0),
  PRIMARY KEY (account_id, year)
);
