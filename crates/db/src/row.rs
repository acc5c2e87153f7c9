//! Rows, read column by column in the order of the SELECT.

use kernel::{FromScalar, Scalar};

use crate::{Error, Result};

/// One row. Columns are taken from left to right.
#[derive(Debug)]
pub struct Row(std::vec::IntoIter<Scalar>);

impl Row {
    pub(crate) fn new(values: Vec<Scalar>) -> Self {
        Self(values.into_iter())
    }

    /// The next column.
    ///
    /// # Errors
    /// [`Error::Broken`] when there is none or it is not a `T`.
    pub fn take<T: FromScalar>(&mut self) -> Result<T> {
        let scalar = self.0.next().ok_or_else(|| Error::broken("a row has fewer columns than are read"))?;
        Ok(T::from_scalar(scalar)?)
    }
}

/// A type that is read from a row.
pub trait FromRow: Sized {
    /// Takes as many columns as it needs.
    ///
    /// # Errors
    /// [`Error::Broken`] when a column is not what is wanted.
    fn from_row(row: &mut Row) -> Result<Self>;
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {$(
        impl<$($name: FromScalar),+> FromRow for ($($name,)+) {
            fn from_row(row: &mut Row) -> Result<Self> {
                Ok(($(row.take::<$name>()?,)+))
            }
        }
    )+};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}
