//! Bytes of a fixed length, written as lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! bytes {
    ($($(#[$meta:meta])* $name:ident $length:literal $pattern:literal),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// Reads the one way in which these bytes are written: capitals are refused.
            fn from_str(text: &str) -> Result<Self, String> {
                let wrong = || format!("{} lower-case hexadecimal digits were wanted", 2 * $length);
                let mut bytes = [0; $length];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong())?;
                if text.bytes().any(|byte| byte.is_ascii_uppercase()) { Err(wrong()) } else { Ok(Self(bytes)) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some($pattern))
                    .build()
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}

bytes! {
    /// A hash of the tree: SHA-256.
    Hash 32 "^[0-9a-f]{64}$",
    /// An Ed25519 signature.
    Signature 64 "^[0-9a-f]{128}$",
}
