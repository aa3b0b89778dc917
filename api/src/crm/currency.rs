//! Currencies: the codes of ISO 4217 that are money in use.

use serde_json::json;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::http::rules::{self, Rule};

/// Every code there is: what is accepted, documented and listed by `/api/v1/meta/enums`.
#[rustfmt::skip]
pub const CURRENCIES: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD", "BND",
    "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE",
    "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD",
    "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY",
    "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD",
    "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO",
    "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF",
    "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
    "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VED", "VES", "VND",
    "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
];

/// A code, in capitals.
pub fn currency() -> impl Rule<String> {
    rules::string_of(
        || json!({"type": "string", "enum": CURRENCIES}),
        |text| {
            if CURRENCIES.contains(&&*text) {
                Ok(text)
            } else {
                Err("Must be a currency code of ISO 4217, such as EUR".into())
            }
        },
    )
}

/// The schema of a code.
#[must_use]
pub fn schema() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("A currency code of ISO 4217."))
        .enum_values(Some(CURRENCIES.iter().copied()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::Value;

    #[test]
    fn codes_are_three_capitals_sorted_and_said_once() {
        assert!(CURRENCIES.is_sorted_by(|a, b| a < b));
        assert!(CURRENCIES.iter().all(|code| {
            code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase())
        }));
        for bad in ["usd", "US", "XXX", "BTC", ""] {
            assert!(currency().check(Value::String(bad.to_owned())).is_err(), "{bad}");
        }
    }
}
