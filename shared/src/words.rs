//! Sets of words that are fixed, such as states and scopes: one declaration for the variants and for the names by which
//! the wire and the database know them.

/// A word that is none of its set, or that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub struct UnknownWord;

/// Declares such a set, which is written, read and shown by its names: `words! { /// What. pub enum Size { Small =
/// "small" } }`.
#[macro_export]
macro_rules! words {
    ($(#[doc = $what:literal])+ $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $what])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $vis enum $name {
            $(#[doc = concat!("`", $word, "`: ")] $(#[$doc])* $variant),+
        }

        impl $name {
            /// Every one there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The names of all, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($word),+];

            /// What it is, as its own documentation says.
            pub const WHAT: &'static str = concat!($($what),+);

            /// Its name on the wire and in the database.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::words::UnknownWord;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or($crate::words::UnknownWord)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> ::std::result::Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> ::std::result::Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str> as ::serde::Deserialize<'de>>::deserialize(from)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}

/// Lets a set of [`words!`] be a text of the database.
#[macro_export]
macro_rules! stored_words {
    ($($name:ident),+) => {$(
        impl ::sqlx::Type<::sqlx::Postgres> for $name {
            fn type_info() -> ::sqlx::postgres::PgTypeInfo {
                <str as ::sqlx::Type<::sqlx::Postgres>>::type_info()
            }

            fn compatible(found: &::sqlx::postgres::PgTypeInfo) -> bool {
                <str as ::sqlx::Type<::sqlx::Postgres>>::compatible(found)
            }
        }

        impl ::sqlx::Encode<'_, ::sqlx::Postgres> for $name {
            fn encode_by_ref(
                &self,
                buffer: &mut ::sqlx::postgres::PgArgumentBuffer,
            ) -> ::std::result::Result<::sqlx::encode::IsNull, ::sqlx::error::BoxDynError> {
                ::sqlx::Encode::<::sqlx::Postgres>::encode(self.as_str(), buffer)
            }
        }

        impl<'r> ::sqlx::Decode<'r, ::sqlx::Postgres> for $name {
            fn decode(value: ::sqlx::postgres::PgValueRef<'r>) -> ::std::result::Result<Self, ::sqlx::error::BoxDynError> {
                Ok(<&str as ::sqlx::Decode<::sqlx::Postgres>>::decode(value)?.parse()?)
            }
        }
    )+};
}

/// Gives a set of [`words!`] its schema under a name of its own.
#[macro_export]
macro_rules! described_words {
    ($($name:ident as $schema:literal),+ $(,)?) => {$(
        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                ::utoipa::openapi::ObjectBuilder::new()
                    .schema_type(::utoipa::openapi::Type::String)
                    .description(Some(Self::WHAT.trim()))
                    .enum_values(Some(Self::NAMES.iter().copied()))
                    .into()
            }
        }

        impl ::utoipa::ToSchema for $name {
            fn name() -> ::std::borrow::Cow<'static, str> {
                $schema.into()
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use super::*;

    words! {
        /// How large it is.
        enum Size {
            /// Hardly there.
            Small = "small",
            Large = "very_large",
        }
    }

    #[test]
    fn a_word_is_written_and_read_by_its_name() {
        assert_eq!(
            (Size::NAMES, Size::WHAT.trim()),
            (&["small", "very_large"][..], "How large it is.")
        );
        for size in Size::ALL {
            assert_eq!(size.to_string().parse(), Ok(*size));
            assert_eq!(serde_json::to_value(size).unwrap(), size.as_str());
        }
        assert_eq!("Small".parse::<Size>(), Err(UnknownWord));
    }
}
