//! The texts that buyers agree to when they order.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::Code;
use market::agreements::FOR_A_PURCHASE;

use super::seo::{Asked, Public};
use crate::AppState;
use crate::extract::Segment;
use crate::pages::shell::{Reader, Shell};
use crate::problem::{ApiError, ApiResult};

/// Paragraphs of each text: `page-agreement-<name>-1` and so on.
const PARAGRAPHS: usize = 5;

#[derive(Template)]
#[template(path = "storefront/agreement.html")]
struct AgreementPage {
    shell: Shell,
    name: String,
    version: &'static str,
    paragraphs: Vec<String>,
}

pub(super) async fn agreement(
    State(_): State<AppState>,
    reader: Reader,
    asked: Asked,
    Segment(name): Segment<String>,
) -> ApiResult<Response> {
    let agreement = FOR_A_PURCHASE.iter().find(|one| one.name == name).ok_or_else(|| ApiError::refused(Code::NotFound))?;
    let words = &reader.shell.t;
    let page = AgreementPage {
        name: words.s(&format!("page-agreement-{name}")),
        version: agreement.version,
        paragraphs: (1..=PARAGRAPHS).map(|n| words.s(&format!("page-agreement-{name}-{n}"))).collect(),
        shell: reader.shell,
    };
    Ok(Public { page, asked }.into_response())
}
