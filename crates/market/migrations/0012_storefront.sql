-- What the lists show of the catalogue has a mark that goes up with every change of it, in the transaction of the change: whoever keeps
-- something derived from it (an index, a rendered page) compares one number. One row.
CREATE TABLE shelf (
  name TEXT PRIMARY KEY,
  mark BIGINT NOT NULL
);

-- The mark with which a product last changed.
CREATE TABLE shelf_changes (
  product_id TEXT PRIMARY KEY REFERENCES products (id),
  mark BIGINT NOT NULL
);
CREATE INDEX shelf_changes_by_mark ON shelf_changes (mark);

-- What people have put aside to look at again.
CREATE TABLE favourites (
  user_id TEXT NOT NULL,
  product_id TEXT NOT NULL REFERENCES products (id),
  account_id TEXT NOT NULL,
  added_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, product_id)
);

-- What people mean to order, with the price that they have seen.
CREATE TABLE cart_lines (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  account_id TEXT NOT NULL,
  sku_id TEXT NOT NULL REFERENCES skus (id),
  unit TEXT NOT NULL,
  -- How many of the unit; 1 for what is bought once.
  count BIGINT NOT NULL,
  quantity BIGINT NOT NULL CONSTRAINT cart_quantity_positive CHECK (quantity > 0),
  seen_unit_price_minor BIGINT NOT NULL,
  added_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX cart_line_unique ON cart_lines (user_id, sku_id, unit, count);
CREATE INDEX cart_lines_of_user ON cart_lines (user_id, id);

-- What people have agreed to when they ordered (spec: business §1.1).
CREATE TABLE agreements (
  id TEXT PRIMARY KEY,
  account_id TEXT NOT NULL,
  user_id TEXT,
  agreement TEXT NOT NULL,
  version TEXT NOT NULL,
  order_number TEXT NOT NULL,
  agreed_at BIGINT NOT NULL
);
CREATE INDEX agreements_of_account ON agreements (account_id, id);
CREATE INDEX agreements_of_order ON agreements (order_number);
