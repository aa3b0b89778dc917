//! What usually goes wrong when a signature is verified, each with a code that stays and a sentence of help.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use crate::http::doc;

macro_rules! mistakes {
    ($($name:ident = $code:literal, $help:literal;)+) => {
        /// One of the usual mistakes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mistake {
            $(#[doc = $help] $name),+
        }

        impl Mistake {
            /// All of them.
            pub const ALL: &'static [Mistake] = &[$(Mistake::$name),+];

            /// The code and the help.
            #[must_use]
            pub fn tell(self) -> (&'static str, &'static str) {
                match self {
                    $(Mistake::$name => ($code, $help)),+
                }
            }
        }
    };
}

mistakes! {
    IdHeaderMissing = "id_header_missing", "The headers hold no webhook-id";
    TimestampHeaderMissing = "timestamp_header_missing", "The headers hold no webhook-timestamp";
    SignatureHeaderMissing = "signature_header_missing", "The headers hold no signature of this scheme";
    IdUnknown = "id_unknown", "No delivery of this tenant has this webhook-id";
    WrongWebhook = "wrong_webhook", "The delivery with this webhook-id belongs to another webhook, which has another secret";
    TimestampUnit = "timestamp_unit", "webhook-timestamp is in whole seconds since 1970, not in milliseconds or as a date";
    TimestampTooOld = "timestamp_too_old", "webhook-timestamp lies more than five minutes back: the request is old, or the clock is fast";
    TimestampInFuture = "timestamp_in_future", "webhook-timestamp lies more than five minutes ahead: the clock is slow";
    AnotherAttempt = "another_attempt", "The signature is that of another attempt: each has its own timestamp and signature";
    BodyReserialised = "body_reserialised", "The body was parsed and written again; sign the bytes as they arrived";
    TrailingNewline = "trailing_newline", "White space was added to or taken from the ends of the body";
    BodyTruncated = "body_truncated", "The body is cut off";
    BodyAltered = "body_altered", "The body is not the one that was sent";
    BodyEmpty = "body_empty", "The body was empty when it was signed: something has read it before";
    BodyNotText = "body_not_text", "An object was signed instead of its bytes: its text is [object Object]";
    BodyEncodedTwice = "body_encoded_twice", "The body was encoded as a JSON string once more";
    OnlyData = "only_data", "Only the data member was signed; sign the whole body";
    SecretNotDecoded = "secret_not_decoded", "For webhook-signature the key is the decoded base64 behind whsec_, not the text";
    SecretDecoded = "secret_decoded", "For X-Webhook-Signature the key is the secret's text as shown, not its decoded bytes";
    PrefixLeftIn = "prefix_left_in", "whsec_ was decoded as if it were a part of the base64";
    PrefixLeftOut = "prefix_left_out", "For X-Webhook-Signature the key is the secret's whole text, whsec_ included";
    SecretHasWhitespace = "secret_has_whitespace", "The secret has a line end behind it: trim what is read from files and variables";
    SecretRotatedAway = "secret_rotated_away", "The secret was replaced and signs no more";
    SecretOfAnotherWebhook = "secret_of_another_webhook", "The secret is that of another webhook of this tenant";
    WrongSecret = "wrong_secret", "The request is genuine and no usual mistake gives what was computed: most likely the secret is another one";
    IdAndTimestampMissing = "id_and_timestamp_missing", "Only the body was signed; webhook-signature covers id, timestamp and body, divided by full stops";
    IdMissing = "id_missing", "The id was left out of what is signed: it is id, timestamp and body, divided by full stops";
    TimestampMissing = "timestamp_missing", "The timestamp was left out of what is signed: it is id, timestamp and body, divided by full stops";
    WrongOrder = "wrong_order", "What is signed is the id, then the timestamp, then the body, divided by full stops";
    WrongSeparator = "wrong_separator", "Id, timestamp and body are divided by full stops";
    TimestampOfEvent = "timestamp_of_event", "The time of the event was signed; take webhook-timestamp, which is the attempt's";
    WrongId = "wrong_id", "Another id was signed; take webhook-id";
    OtherScheme = "other_scheme", "What was computed is right for the other signature header";
    HexForBase64 = "hex_for_base64", "webhook-signature is in base64, not in hexadecimal";
    Base64ForHex = "base64_for_hex", "X-Webhook-Signature is in lower-case hexadecimal, not in base64";
    Base64OfHex = "base64_of_hex", "The hexadecimal text was encoded in base64; encode the bytes";
    Base64Variant = "base64_variant", "webhook-signature is in standard base64 with padding, not in the variant for URLs";
    UpperCaseHex = "upper_case_hex", "X-Webhook-Signature is in lower-case hexadecimal";
    NotHmac = "not_hmac", "A plain hash was computed; it is HMAC-SHA256";
    WrongHash = "wrong_hash", "HMAC was computed with another hash than SHA-256";
    PublicKeyReplaced = "public_key_replaced", "The public key was replaced and nothing is signed with it any more; fetch the keys anew";
    WrongPublicKey = "wrong_public_key", "The public key is not one of this webhook's";
    Unexplained = "unexplained", "No usual mistake explains it; compare each input with what arrived, byte by byte";
}

/// A mistake that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct Found {
    /// What it is.
    #[schema(schema_with = code_schema)]
    pub code: &'static str,
    /// What to do about it.
    pub message: &'static str,
}

fn code_schema() -> Object {
    let codes: Vec<_> = Mistake::ALL.iter().map(|mistake| mistake.tell().0).collect();
    doc::words("What it is: stable, see the webhook guide.", &codes)
}

impl From<Mistake> for Found {
    fn from(mistake: Mistake) -> Self {
        let (code, message) = mistake.tell();
        Self { code, message }
    }
}
