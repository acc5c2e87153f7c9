//! Paging by cursor: the key of the last row that was seen.

/// The most rows of one page.
pub const PAGE_MAX: i64 = 200;
/// The rows of a page when nobody says.
pub const PAGE_DEFAULT: i64 = 50;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The key of the last row of the page before; empty for the first page.
    pub after: String,
    /// How many rows, 1 to [`PAGE_MAX`].
    pub limit: i64,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { after: String::new(), limit: PAGE_DEFAULT }
    }
}

impl PageRequest {
    /// The rows to fetch: one more than wanted tells whether there is a next page.
    #[must_use]
    pub const fn fetch(&self) -> i64 {
        self.limit + 1
    }

    /// The key before which a list goes on whose newest rows come first: after every key for the first page. Without a bound, an engine would
    /// walk through the pages before this one.
    #[must_use]
    pub fn before(&self) -> &str {
        // Ids and order numbers are of letters, digits, `_` and `-`, which sort before this.
        if self.after.is_empty() { "~" } else { &self.after }
    }

    /// The page from the rows fetched; `key` gives the cursor of a row.
    #[must_use]
    pub fn cut<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> String) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(key) } else { None };
        Page { items: rows, next }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next page; none when this is the last.
    pub next: Option<String>,
}
