//! How a command ends when it does not end well.

use std::process::ExitCode;

use kernel::Locale;

use crate::config::ConfigError;

/// The command could not do what it was asked for.
const FAILED: u8 = 1;
/// The command line or the configuration is wrong; also what clap ends with.
const MISUSED: u8 = 2;
/// The command looked, and found something wrong.
const UNWELL: u8 = 3;

/// Why a command did not end well, for a person, in one line.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: Option<String>,
}

impl Failure {
    /// The command could not do what it was asked for.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self { code: FAILED, text: Some(text.into()) }
    }

    /// The command line or the configuration is wrong.
    pub(crate) fn misused(text: impl Into<String>) -> Self {
        Self { code: MISUSED, text: Some(text.into()) }
    }

    /// The command looked and found something wrong, and has already said what.
    pub(crate) fn unwell() -> Self {
        Self { code: UNWELL, text: None }
    }

    /// The command did what it was asked for, and has already said that something failed.
    pub(crate) fn reported() -> Self {
        Self { code: FAILED, text: None }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl From<anyhow::Error> for Failure {
    /// The whole chain of causes, in one line.
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

impl From<db::Error> for Failure {
    /// What the business refused is said as the API says it; the code goes along, for looking it up.
    fn from(error: db::Error) -> Self {
        let db::Error::Refused(refusal) = error else {
            return Self::failed(format!("{:#}", anyhow::Error::new(error)));
        };
        let title = web::texts::title(Locale::En, refusal.code);
        let text = web::texts::detail(Locale::En, refusal.code, &refusal.args).unwrap_or(title);
        Self::failed(format!("{text} ({refusal})"))
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::misused(format!("{:#}", anyhow::Error::new(error)))
    }
}
