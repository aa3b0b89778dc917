//! Rules that several resources' fields share. Each takes the JSON value and gives the clean one or says what is wrong.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::Value;
use url::Url;
use validator::ValidateEmail as _;

use super::fields::Checked;

/// Any string that PostgreSQL can hold.
///
/// # Errors
/// Another type, or a NUL character.
pub fn string(value: Value) -> Checked<String> {
    match value {
        Value::String(text) if text.contains('\0') => Err("Must not contain NUL characters".into()),
        Value::String(text) => Ok(text),
        _ => Err("Must be a string".into()),
    }
}

/// One line of `1` to `most` characters after trimming (requirement C-7: Unicode scalar values, not bytes).
pub fn line(most: usize) -> impl FnOnce(Value) -> Checked<String> {
    move |value| {
        let text = string(value)?;
        let text = text.trim();
        if text.is_empty() || text.chars().count() > most {
            Err(format!("Must be 1 to {most} characters"))
        } else if text.chars().any(char::is_control) {
            Err("Must not contain control characters".into())
        } else {
            Ok(text.to_owned())
        }
    }
}

/// An address by the HTML5 rule, at most 254 characters (requirement C-8).
///
/// # Errors
/// Anything else.
pub fn email(value: Value) -> Checked<String> {
    let text = string(value)?;
    let text = text.trim();
    if text.len() <= 254 && text.validate_email() {
        Ok(text.to_owned())
    } else {
        Err("Invalid email format".into())
    }
}

/// A telephone number by its shape, not by any numbering plan: the document's own `+1234567890` belongs to none
/// (decision 1). An optional `+`, then 7 to 15 digits, with spaces, dots, dashes and brackets between them.
///
/// # Errors
/// Anything else.
pub fn phone(value: Value) -> Checked<String> {
    let text = string(value)?;
    let text = text.trim();
    let rest = text.strip_prefix('+').unwrap_or(text);
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    let shaped = rest.chars().all(|c| c.is_ascii_digit() || " ().-".contains(c));
    if shaped && (7..=15).contains(&digits) && text.len() <= 40 {
        Ok(text.to_owned())
    } else {
        Err("Invalid phone format".into())
    }
}

/// The E.164 form of a number that [`phone`] accepted, when it names its country with `+`.
#[must_use]
pub fn e164(phone: &str) -> Option<String> {
    let rest = phone.strip_prefix('+')?;
    Some(std::iter::once('+').chain(rest.chars().filter(char::is_ascii_digit)).collect())
}

/// One of these words, as it is written there.
pub fn one_of(words: &'static [&'static str]) -> impl FnOnce(Value) -> Checked<String> {
    move |value| {
        let text = string(value)?;
        if words.contains(&&*text) {
            Ok(text)
        } else {
            Err(format!("Must be one of {}", words.join(", ")))
        }
    }
}

/// A whole number in this range; `3.0` is one, `"3"` is not (requirement CO-9).
pub fn whole(range: RangeInclusive<i32>) -> impl FnOnce(Value) -> Checked<i32> {
    move |value| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0);
        // Every i32 is exactly one f64, and what lies beyond is out of the range anyway.
        #[expect(clippy::cast_possible_truncation, reason = "a float's cast stops at the ends")]
        number.map(|number| number as i32).filter(|number| range.contains(number)).ok_or_else(
            || format!("Must be a whole number from {} to {}", range.start(), range.end()),
        )
    }
}

/// The id of a record that is looked for later; what is no id names no record either.
pub fn id<T: FromStr>(none: &'static str) -> impl FnOnce(Value) -> Checked<T> {
    move |value| string(value)?.trim().parse().map_err(|_| none.into())
}

/// The address of a website: http or https with a host, at most 2,048 characters (requirement CO-8).
///
/// # Errors
/// Anything else; of an address without its scheme, what it would be with it.
pub fn website(value: Value) -> Checked<String> {
    const MOST: usize = 2048;
    let text = string(value)?;
    let text = text.trim();
    let is_website = |text: &str| {
        Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some_and(|host| !host.is_empty())
        })
    };
    let shaped =
        text.chars().count() <= MOST && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let slashes = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let written = slashes.starts_with("http://") || slashes.starts_with("https://");
    if shaped && written && is_website(text) {
        Ok(text.to_owned())
    } else if shaped
        && !written
        && !text.contains(':')
        && text.contains('.')
        && is_website(&format!("https://{text}"))
    {
        Err(format!("Must start with http:// or https://, such as https://{text}"))
    } else {
        Err(format!("Must be an http or https address of at most {MOST} characters"))
    }
}

/// `true` or `false`.
///
/// # Errors
/// Anything else, the words as strings included.
#[expect(clippy::needless_pass_by_value, reason = "every rule takes the value")]
pub fn boolean(value: Value) -> Checked<bool> {
    match value {
        Value::Bool(value) => Ok(value),
        _ => Err("Must be true or false".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn a_line_is_counted_in_characters_after_trimming() {
        assert_eq!(line(100)(text("  Ada  ")), Ok("Ada".to_owned()));
        assert!(line(100)(text(&"é".repeat(100))).is_ok());
        assert!(line(100)(text(&"é".repeat(101))).is_err());
        for bad in
            [text(""), text("   "), text("a\nb"), text("a\0b"), Value::from(5), Value::Bool(true)]
        {
            assert!(line(100)(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_documents_own_phone_is_valid_and_shapes_that_are_none_are_not() {
        for good in
            ["+1234567890", "+44 20 7946 0958", "(030) 123-4567", "1234567", "+123456789012345"]
        {
            assert!(phone(text(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "123456",
            "+1234567890123456",
            "12345678a",
            "++1234567",
            "1234567+",
            "phone",
            "１２３４５６７",
        ] {
            assert!(phone(text(bad)).is_err(), "{bad}");
        }
        assert_eq!(e164("+44 20 7946-0958").as_deref(), Some("+442079460958"));
        assert_eq!(e164("030 1234567"), None);
    }

    #[test]
    fn an_email_needs_a_name_and_a_host_and_at_most_254_characters() {
        for good in ["john@example.com", "a+b@example.co.uk", "a@b"] {
            assert!(email(text(good)).is_ok(), "{good}");
        }
        for bad in ["", "john", "@example.com", "a@", "a b@example.com", "a@exa mple.com"] {
            assert!(email(text(bad)).is_err(), "{bad}");
        }
        assert!(email(text(&format!("{}@example.com", "a".repeat(250)))).is_err());
    }

    #[test]
    fn a_whole_number_is_counted_by_its_value_and_never_read_from_text() {
        let employees = || whole(0..=10_000_000);
        for (good, number) in [("0", 0), ("3.0", 3), ("1e3", 1000), ("10000000", 10_000_000)] {
            assert_eq!(employees()(serde_json::from_str(good).unwrap()), Ok(number), "{good}");
        }
        for bad in ["3.5", "-1", "10000001", "1e300", "-1e300", "\"12\"", "true", "[]"] {
            assert!(employees()(serde_json::from_str(bad).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_website_is_http_with_a_host_and_a_bare_name_gets_a_hint() {
        for good in [
            "https://example.com",
            "http://example.com/a?b#c",
            "HTTPS://[2001:db8::1]:8080",
            "https://münchen.example",
        ] {
            assert_eq!(website(text(good)), Ok(good.to_owned()), "{good}");
        }
        for bare in ["example.com", "www.example.com/path"] {
            let fault = website(text(bare)).unwrap_err();
            assert_eq!(
                fault,
                format!("Must start with http:// or https://, such as https://{bare}")
            );
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "mailto:a@example.com",
            "ftp://example.com",
            "https://",
            "https:example.com",
            "http:///x",
            "https://exa mple.com",
            "https://a\nb.com",
            "localhost",
            "//example.com",
        ] {
            assert!(website(text(bad)).is_err(), "{bad}");
        }
        let long =
            |length: usize| text(&format!("https://example.com/{}", "a".repeat(length - 20)));
        assert!(website(long(2048)).is_ok());
        assert!(website(long(2049)).is_err());
    }
}
