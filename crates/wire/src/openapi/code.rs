//! Result codes of the open APIs (spec: protocol §8.3).

use std::fmt;

/// What the marketplace answers to a seller's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenApiCode {
    /// `MKT.0000`
    Success,
    /// `MKT.0999`
    InternalError,
    /// `MKT.0100`
    InputCheckFailed,
    /// `MKT.0101`
    InvalidParameter,
    /// `MKT.0102`, usage push only.
    InvalidBodySign,
    /// `MKT.0199`
    OtherParameterError,
    /// `MKT.0150`: someone else's product or order.
    IllegalOperation,
    /// `MKT.0151`
    NoAuthority,
    /// `MKT.0154`
    IllegalToken,
    /// `MKT.0250`
    RateLimited,
    /// `MKT.9001`
    InstanceNotFound,
    /// `MKT.9002`
    InvalidUsageEntities,
    /// `MKT.9003`
    TooManyRecords,
    /// `MKT.9004`
    BeginTimeTooOld,
}

impl OpenApiCode {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::InternalError,
        Self::InputCheckFailed,
        Self::InvalidParameter,
        Self::InvalidBodySign,
        Self::OtherParameterError,
        Self::IllegalOperation,
        Self::NoAuthority,
        Self::IllegalToken,
        Self::RateLimited,
        Self::InstanceNotFound,
        Self::InvalidUsageEntities,
        Self::TooManyRecords,
        Self::BeginTimeTooOld,
    ];

    /// HTTP status, code text and message of a code.
    fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Success => (200, "MKT.0000", "Success"),
            Self::InternalError => (500, "MKT.0999", "Internal error"),
            Self::InputCheckFailed => (500, "MKT.0100", "Input check failed"),
            Self::InvalidParameter => (400, "MKT.0101", "Invalid parameter"),
            Self::InvalidBodySign => (400, "MKT.0102", "Invalid body sign"),
            Self::OtherParameterError => (400, "MKT.0199", "Other parameter error"),
            Self::IllegalOperation => (401, "MKT.0150", "Illegal operation"),
            Self::NoAuthority => (401, "MKT.0151", "No authority"),
            Self::IllegalToken => (401, "MKT.0154", "Illegal token"),
            Self::RateLimited => (406, "MKT.0250", "Too many requests, try again later"),
            Self::InstanceNotFound => (500, "MKT.9001", "Instance not found"),
            Self::InvalidUsageEntities => (500, "MKT.9002", "Invalid usage entities"),
            Self::TooManyRecords => (500, "MKT.9003", "Too many records"),
            Self::BeginTimeTooOld => (500, "MKT.9004", "beginTime is earlier than 21 days ago"),
        }
    }

    /// The HTTP status that goes with the code.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().0
    }

    /// The code as it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The message as it is sent.
    #[must_use]
    pub fn message(self) -> &'static str {
        self.row().2
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for OpenApiCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
