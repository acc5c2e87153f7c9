//! The sample file: every setting with its default, commented out.

use super::{ALL, Config};

/// The text of `docs/yunshi.toml`.
pub(crate) fn text() -> String {
    let defaults = Config::default();
    let mut text = "# Yunshi's settings. What is commented out shows the default, or an example where there is none.\n\
                    # Each one is also a variable: listen is YUNSHI_LISTEN, grace_days in [edition] is YUNSHI_EDITION_GRACE_DAYS.\n\
                    # A variable goes before this file. `yunshi doctor` shows what is in force and where it came from.\n"
        .to_owned();
    let mut is_in_edition = false;
    for setting in ALL {
        let name = setting.key.strip_prefix("edition.").unwrap_or(setting.key);
        if name != setting.key && !is_in_edition {
            is_in_edition = true;
            text.push_str("\n# The numbers of the business. Orders and statements keep a copy of those that made them, so a change here touches\n# nothing that has happened.\n[edition]\n");
        }
        text.push('\n');
        for line in setting.about.lines() {
            text.push_str(&format!("# {line}\n"));
        }
        match (setting.show)(&defaults) {
            Some(value) => text.push_str(&format!("#{name} = {value}\n")),
            None => text.push_str(&format!("#{name} = {}\n", setting.example)),
        }
    }
    text
}
