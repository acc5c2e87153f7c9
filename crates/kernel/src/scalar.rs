//! The four kinds of value that a database column holds, and how business types become one.
//!
//! Kept here, and not in the `db` crate, so that ids, words and money can say themselves how they are stored.

use std::fmt;

/// A value of a column or a parameter, the same on both engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// SQL NULL.
    Null,
    /// BIGINT.
    Int(i64),
    /// TEXT.
    Text(String),
    /// BYTEA (BLOB on SQLite).
    Bytes(Vec<u8>),
}

/// A stored value that its Rust type refuses: a fault in the data or in the statement, never a user's mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarError {
    /// What was wanted.
    pub wanted: &'static str,
    /// What was there instead.
    pub found: String,
}

impl fmt::Display for ScalarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a column holds {} where {} was wanted", self.found, self.wanted)
    }
}

impl std::error::Error for ScalarError {}

impl ScalarError {
    /// Says that `found` is not a `wanted`.
    #[must_use]
    pub fn new(wanted: &'static str, found: &Scalar) -> Self {
        let found = match found {
            Scalar::Null => "NULL".to_owned(),
            Scalar::Int(i) => format!("the number {i}"),
            Scalar::Text(t) => format!("the text {t:?}"),
            Scalar::Bytes(b) => format!("{} bytes", b.len()),
        };
        Self { wanted, found }
    }
}

/// A type that can be a parameter of a statement.
pub trait ToScalar {
    /// The value to bind.
    fn to_scalar(&self) -> Scalar;
}

/// A type that can be read from a column.
pub trait FromScalar: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// [`ScalarError`] when the column holds something this type cannot be.
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError>;
}

impl ToScalar for Scalar {
    fn to_scalar(&self) -> Scalar {
        self.clone()
    }
}
impl ToScalar for i64 {
    fn to_scalar(&self) -> Scalar {
        Scalar::Int(*self)
    }
}
impl ToScalar for str {
    fn to_scalar(&self) -> Scalar {
        Scalar::Text(self.to_owned())
    }
}
impl ToScalar for String {
    fn to_scalar(&self) -> Scalar {
        Scalar::Text(self.clone())
    }
}
impl ToScalar for [u8] {
    fn to_scalar(&self) -> Scalar {
        Scalar::Bytes(self.to_vec())
    }
}
impl ToScalar for Vec<u8> {
    fn to_scalar(&self) -> Scalar {
        Scalar::Bytes(self.clone())
    }
}
impl<const N: usize> ToScalar for [u8; N] {
    fn to_scalar(&self) -> Scalar {
        Scalar::Bytes(self.to_vec())
    }
}
impl<T: ToScalar> ToScalar for Option<T> {
    fn to_scalar(&self) -> Scalar {
        self.as_ref().map_or(Scalar::Null, ToScalar::to_scalar)
    }
}
impl<T: ToScalar + ?Sized> ToScalar for &T {
    fn to_scalar(&self) -> Scalar {
        (**self).to_scalar()
    }
}

impl FromScalar for Scalar {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        Ok(scalar)
    }
}
impl FromScalar for i64 {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        match scalar {
            Scalar::Int(i) => Ok(i),
            other => Err(ScalarError::new("a number", &other)),
        }
    }
}
impl FromScalar for String {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        match scalar {
            Scalar::Text(t) => Ok(t),
            other => Err(ScalarError::new("a text", &other)),
        }
    }
}
impl FromScalar for Vec<u8> {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        match scalar {
            Scalar::Bytes(b) => Ok(b),
            other => Err(ScalarError::new("bytes", &other)),
        }
    }
}
impl<T: FromScalar> FromScalar for Option<T> {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        match scalar {
            Scalar::Null => Ok(None),
            other => T::from_scalar(other).map(Some),
        }
    }
}
