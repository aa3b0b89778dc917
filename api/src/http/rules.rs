//! Rules that several resources' fields share. Each takes the JSON value and gives the clean one or says what is wrong.

use serde_json::Value;
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
}
