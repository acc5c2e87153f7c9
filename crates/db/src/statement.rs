//! Statements, declared where they are used and known to one registry.

use std::sync::OnceLock;

/// One SQL text of the portable subset, with `$1`, `$2` … for its parameters.
#[derive(Debug)]
pub struct Statement {
    text: &'static str,
    file: &'static str,
    line: u32,
    sqlite: OnceLock<String>,
}

impl Statement {
    /// For [`crate::sql!`].
    #[doc(hidden)]
    #[must_use]
    pub const fn new(text: &'static str, file: &'static str, line: u32) -> Self {
        Self { text, file, line, sqlite: OnceLock::new() }
    }

    /// The text as written.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// Where it is declared, `file:line`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// The text for SQLite: there `$1` would be a name, `?1` is a number.
    pub(crate) fn sqlite_text(&self) -> &str {
        self.sqlite.get_or_init(|| {
            let mut out = String::with_capacity(self.text.len());
            let mut rest = self.text.chars().peekable();
            while let Some(c) = rest.next() {
                let numbered = c == '$' && rest.peek().is_some_and(char::is_ascii_digit);
                out.push(if numbered { '?' } else { c });
            }
            out
        })
    }
}

#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static Statement);

inventory::collect!(Registered);

/// Every statement of the program, by place.
#[must_use]
pub fn registered() -> Vec<&'static Statement> {
    let mut all: Vec<_> = inventory::iter::<Registered>.into_iter().map(|r| r.0).collect();
    all.sort_by_key(|s| (s.file, s.line));
    all
}

/// Declares a statement and registers it, so that a test can PREPARE it on both engines.
#[macro_export]
macro_rules! sql {
    ($text:expr) => {{
        static STATEMENT: $crate::Statement = $crate::Statement::new($text, file!(), line!());
        $crate::macro_support::inventory::submit! { $crate::macro_support::Registered(&STATEMENT) }
        &STATEMENT
    }};
}
