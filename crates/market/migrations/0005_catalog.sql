CREATE TABLE products (
  id TEXT PRIMARY KEY,
  seller_id TEXT NOT NULL REFERENCES sellers (account_id),
  state TEXT NOT NULL,
  -- Who hid it, while it is hidden: 'seller' or 'operator'.
  hidden_by TEXT,
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  -- Both names in lower case, made in Rust: the engines do not lower letters outside ASCII alike.
  name_key TEXT NOT NULL,
  -- What the seller is writing, as JSON; becomes the published content when a listing is approved.
  draft TEXT NOT NULL,
  -- What buyers see, as JSON; NULL before the first approval.
  content TEXT,
  created_at BIGINT NOT NULL,
  published_at BIGINT,
  retired_at BIGINT,
  flagged_at BIGINT,
  version BIGINT NOT NULL
);
CREATE INDEX products_of_seller ON products (seller_id, id);
CREATE INDEX products_on_sale ON products (id) WHERE state = 'on_sale';

-- One submission of a product, with the content as it was submitted (spec: business §3.7, state machine 5).
CREATE TABLE listings (
  id TEXT PRIMARY KEY,
  product_id TEXT NOT NULL REFERENCES products (id),
  -- Counts the submissions of a product from 1. Ids alone do not order them: the clock of a sandbox may stand.
  revision BIGINT NOT NULL,
  state TEXT NOT NULL,
  content TEXT NOT NULL,
  submitted_by TEXT NOT NULL,
  submitted_at BIGINT NOT NULL,
  decided_by TEXT,
  decided_at BIGINT,
  reason TEXT
);
CREATE UNIQUE INDEX listing_revision_unique ON listings (product_id, revision);
CREATE UNIQUE INDEX listing_under_review_unique ON listings (product_id) WHERE state = 'under_review';
CREATE INDEX listings_under_review ON listings (id) WHERE state = 'under_review';

CREATE TABLE editions (
  id TEXT PRIMARY KEY,
  product_id TEXT NOT NULL REFERENCES products (id),
  position BIGINT NOT NULL,
  state TEXT NOT NULL,
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  charging_mode TEXT NOT NULL,
  tax_kind TEXT NOT NULL,
  refund_rule TEXT NOT NULL,
  address_id TEXT NOT NULL REFERENCES production_addresses (id)
);
CREATE INDEX editions_of_product ON editions (product_id, position);
CREATE INDEX editions_of_address ON editions (address_id);

CREATE TABLE skus (
  id TEXT PRIMARY KEY,
  edition_id TEXT NOT NULL REFERENCES editions (id),
  position BIGINT NOT NULL,
  state TEXT NOT NULL,
  name_zh TEXT NOT NULL,
  name_en TEXT NOT NULL,
  quantity_min BIGINT NOT NULL,
  quantity_max BIGINT NOT NULL,
  quantity_step BIGINT NOT NULL,
  quantity_unit_zh TEXT NOT NULL,
  quantity_unit_en TEXT NOT NULL,
  -- What it may be changed to, as JSON; NULL where the seller has no rule.
  change_rule TEXT
);
CREATE INDEX skus_of_edition ON skus (edition_id, position);

-- A price of a SKU for one unit of quantity and one unit of period ('once' for one-time). Its id is the productId of the wire: one for
-- each SKU and period type (spec: protocol §2.6.1).
CREATE TABLE prices (
  id TEXT PRIMARY KEY,
  sku_id TEXT NOT NULL REFERENCES skus (id),
  unit TEXT NOT NULL,
  amount_minor BIGINT NOT NULL CONSTRAINT price_not_negative CHECK (amount_minor >= 0),
  currency TEXT NOT NULL,
  withdrawn_at BIGINT
);
CREATE UNIQUE INDEX price_unit_unique ON prices (sku_id, unit);
