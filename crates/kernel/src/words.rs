//! Closed sets of words: states, kinds, roles. The word in the database, in the API and in the code is the same.

/// Declares an enum whose variants are words, stored and shown as that word.
///
/// Gives `word()`, `ALL`, `Display`, `FromStr`, serde, an OpenAPI schema, [`crate::ToScalar`] and [`crate::FromScalar`].
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every word of this set, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, as stored and as shown in the API.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> ::std::result::Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    other => Err(format!("{other:?} is not one of {}", [$($word),+].join(", "))),
                }
            }
        }

        impl $crate::macro_support::serde::Serialize for $name {
            fn serialize<S: $crate::macro_support::serde::Serializer>(&self, s: S) -> ::std::result::Result<S::Ok, S::Error> {
                s.serialize_str(self.word())
            }
        }

        impl<'de> $crate::macro_support::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::macro_support::serde::Deserializer<'de>>(d: D) -> ::std::result::Result<Self, D::Error> {
                let text = <String as $crate::macro_support::serde::Deserialize>::deserialize(d)?;
                text.parse().map_err($crate::macro_support::serde::de::Error::custom)
            }
        }

        impl $crate::ToScalar for $name {
            fn to_scalar(&self) -> $crate::Scalar {
                $crate::Scalar::Text(self.word().to_owned())
            }
        }

        impl $crate::FromScalar for $name {
            fn from_scalar(scalar: $crate::Scalar) -> ::std::result::Result<Self, $crate::ScalarError> {
                match &scalar {
                    $crate::Scalar::Text(text) => text.parse().map_err(|_| $crate::ScalarError::new(concat!("a word of ", stringify!($name)), &scalar)),
                    _ => Err($crate::ScalarError::new(concat!("a word of ", stringify!($name)), &scalar)),
                }
            }
        }

        impl $crate::macro_support::utoipa::PartialSchema for $name {
            fn schema() -> $crate::macro_support::utoipa::openapi::RefOr<$crate::macro_support::utoipa::openapi::schema::Schema> {
                $crate::macro_support::utoipa::openapi::ObjectBuilder::new()
                    .schema_type($crate::macro_support::utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .build()
                    .into()
            }
        }

        impl $crate::macro_support::utoipa::ToSchema for $name {}
    };
}

#[cfg(test)]
#[allow(unreachable_pub)]
mod tests {
    use crate::{FromScalar, ToScalar};

    crate::words! {
        /// A colour.
        enum Colour { Red = "red", DarkBlue = "dark_blue" }
    }

    #[test]
    fn a_word_survives_text_and_column() {
        for colour in Colour::ALL {
            assert_eq!(colour.word().parse::<Colour>().as_ref(), Ok(colour));
            assert_eq!(Colour::from_scalar(colour.to_scalar()).as_ref(), Ok(colour));
        }
        assert_eq!("green".parse::<Colour>(), Err("\"green\" is not one of red, dark_blue".to_owned()));
    }
}
