//! Where somebody can be reached: e-mail, telephone, web.

use serde_json::json;
use url::{Host, Url};
use validator::ValidateEmail as _;

use super::{Rule, string_of};
use crate::http::fields::Checked;

/// HTML's own expression for addresses; the server also knows domains in other scripts.
const EMAIL: &str = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$";

/// The longest address of mail, in bytes.
const LONGEST_EMAIL: usize = 254;

/// The longest telephone number, in characters.
const LONGEST_PHONE: usize = 40;

/// The longest address of a page, in bytes: companies are found by it, and a page of an index takes no longer text.
const LONGEST_URL: usize = 2_048;

/// An address by the HTML5 rule, at most 254 characters (requirement C-8).
pub fn email() -> impl Rule<String> {
    let schema = || json!({"type": "string", "maxLength": LONGEST_EMAIL, "pattern": EMAIL});
    string_of(schema, |text| {
        let text = text.trim();
        if text.len() <= LONGEST_EMAIL && plain_host(text) && text.validate_email() {
            Ok(text.to_owned())
        } else {
            Err("Invalid email format".into())
        }
    })
}

/// Whether an address has nothing that the check of hosts would pass over: of an address in brackets it looks at the
/// end only, whatever stands before it, and what IDNA drops would make two texts of one address.
fn plain_host(text: &str) -> bool {
    !text.contains('[') && !text.chars().any(|c| !c.is_ascii() && is_dropped(c))
}

/// Whether IDNA takes no notice of a character, such as a soft hyphen.
fn is_dropped(c: char) -> bool {
    Host::parse(&format!("a{c}")).is_ok_and(|host| host == Host::<&str>::Domain("a"))
}

/// A telephone number by its shape, not by any numbering plan: the `+1234567890` of requirement C-9 belongs to none.
/// An optional `+`, then 7 to 15 digits, with spaces, dots, dashes and brackets between them.
pub fn phone() -> impl Rule<String> {
    let schema = || {
        json!({"type": "string", "maxLength": LONGEST_PHONE,
            "pattern": r"^\+?[ ().-]*([0-9][ ().-]*){7,15}$"})
    };
    string_of(schema, |text| {
        let text = text.trim();
        let rest = text.strip_prefix('+').unwrap_or(text);
        let digits = rest.chars().filter(char::is_ascii_digit).count();
        let shaped = rest.chars().all(|c| c.is_ascii_digit() || " ().-".contains(c));
        if shaped && (7..=15).contains(&digits) && text.len() <= LONGEST_PHONE {
            Ok(text.to_owned())
        } else {
            Err("Invalid phone format".into())
        }
    })
}

/// The address of a web page: `http` or `https` with a host, kept as it was typed (requirement CO-8); not
/// `example.com` without its scheme.
pub fn url() -> impl Rule<String> {
    let schema = || {
        json!({"type": "string", "format": "uri", "maxLength": LONGEST_URL,
            "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\x00-\x1F\x7F-\x9F\\/][^\s\x00-\x1F\x7F-\x9F\\]*$"})
    };
    string_of(schema, |text| web_address(text.trim()))
}

fn web_address(text: &str) -> Checked<String> {
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
    if text.len() > LONGEST_URL {
        return Err(format!("Must be at most {LONGEST_URL} bytes").into());
    }
    Ok(text.to_owned())
}
