//! Where somebody can be reached: e-mail, telephone, web.

use url::Url;
use validator::ValidateEmail as _;

use super::string;
use crate::http::fields::Checked;
use crate::http::json::Value;

/// The longest address of a page, in characters.
const LONGEST_URL: usize = 2_048;

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

/// The address of a web page: `http` or `https` with a host, kept as it was typed (requirement CO-8).
///
/// # Errors
/// Anything else, `example.com` without its scheme included.
pub fn url(value: Value) -> Checked<String> {
    let text = string(value)?;
    let text = text.trim();
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(parsed) = parsed.filter(Url::has_host) else {
        let hint = format!("https://{text}");
        let bare = !text.contains(':') && text.contains('.') && Url::parse(&hint).is_ok();
        return Err(if bare {
            format!("Must begin with http:// or https://, such as {hint}").into()
        } else {
            "Must be an http or https address with a host".into()
        });
    };
    // The parser forgives what other readers of the text would not: missing and turned slashes, white space.
    let rest = text.get(parsed.scheme().len()..).unwrap_or_default();
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '\\';
    let host_first = rest.strip_prefix("://").is_some_and(|host| !host.starts_with('/'));
    if !host_first || !text.chars().all(plain) {
        return Err("Must be an http or https address with a host".into());
    }
    if text.chars().count() > LONGEST_URL {
        return Err(format!("Must be at most {LONGEST_URL} characters").into());
    }
    Ok(text.to_owned())
}
