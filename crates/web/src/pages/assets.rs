//! What browsers load beside the pages: styles, the script, the icons. Each has the first characters of its digest in its name, so that
//! browsers may keep it for good.
//!
//! `cargo xtask assets` makes script and icons from the packages in `assets/package-lock.json`; the program has them inside.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use crate::AppState;

const STYLES: &str = include_str!("../../assets/look.css");
const SCRIPT: &str = include_str!("../../assets/dist/app.js");
const ICONS: &str = include_str!("../../assets/dist/icons.svg");

static STYLES_PATH: LazyLock<String> = LazyLock::new(|| path("look", "css", STYLES));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| path("app", "js", SCRIPT));
static ICONS_PATH: LazyLock<String> = LazyLock::new(|| path("icons", "svg", ICONS));

fn path(name: &str, ending: &str, content: &str) -> String {
    format!("/assets/{name}-{}.{ending}", hex::encode(&Sha256::digest(content)[..6]))
}

pub(super) fn styles_path() -> &'static str {
    &STYLES_PATH
}

pub(super) fn script_path() -> &'static str {
    &SCRIPT_PATH
}

/// The address of an icon, by its name in Lucide; the names that pages use stand in `assets/build.mjs`.
pub(super) fn icon(name: &str) -> String {
    format!("{}#{name}", *ICONS_PATH)
}

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route(&STYLES_PATH, get(async || kept("text/css; charset=utf-8", STYLES)))
        .route(&SCRIPT_PATH, get(async || kept("text/javascript; charset=utf-8", SCRIPT)))
        .route(&ICONS_PATH, get(async || kept("image/svg+xml", ICONS)))
}

fn kept(kind: &'static str, content: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")], content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names after `shell.icon("` and `icon: "` in templates and pages.
    #[test]
    fn every_icon_that_a_page_shows_is_there() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = std::collections::BTreeSet::new();
        let mut folders = vec![here.join("templates")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let source = std::fs::read_to_string(entry.path()).unwrap_or_default();
                    let named = source.split("icon(\"").skip(1).filter_map(|rest| rest.split('"').next());
                    names.extend(named.map(str::to_owned));
                }
            }
        }
        assert!(names.len() > 2, "{names:?}");
        for name in names {
            assert!(ICONS.contains(&format!("id=\"{name}\"")), "no icon {name}: add it to assets/build.mjs");
        }
    }
}
