//! What requests say of settings.

use std::str::FromStr as _;

use chrono_tz::{TZ_VARIANTS, Tz};
use serde_json::json;
use utoipa::ToSchema;

use super::Settings;
use crate::crm::currency;
use crate::http::fields::{Checked, Fields, Input};
use crate::http::rules::{self, Rule};

const LOCALE: &str = "^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$";

/// What changes in the settings: absent fields stay, none can be cleared.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(example = json!({"currency": "EUR", "timezone": "Europe/Berlin", "locale": "de-DE"}))]
#[serde(rename_all = "camelCase")]
pub struct SettingsPatch {
    /// Replaces the tenant's name.
    pub name: Option<String>,
    /// Replaces the currency.
    pub currency: Option<String>,
    /// Replaces the time zone: a name of the IANA database, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Replaces the locale: language, perhaps script, perhaps region.
    pub locale: Option<String>,
    /// Whether no two contacts may share an e-mail address.
    pub unique_contact_emails: Option<bool>,
    /// Whether users may sign in by scanning a QR code.
    pub qr_login_allowed: Option<bool>,
    /// Whether the scanning phone must be in the network of the screen.
    pub qr_same_network_required: Option<bool>,
    /// How many days events, deliveries and attempts are kept, 1 to 90.
    pub event_retention_days: Option<i64>,
}

impl Input for SettingsPatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.replaced("name", rules::line(100));
        let currency = fields.replaced("currency", currency::currency());
        let timezone = fields.replaced("timezone", timezone());
        let locale = fields.replaced("locale", locale());
        let unique_contact_emails = fields.replaced("uniqueContactEmails", rules::boolean());
        let qr_login_allowed = fields.replaced("qrLoginAllowed", rules::boolean());
        let qr_same_network_required = fields.replaced("qrSameNetworkRequired", rules::boolean());
        let event_retention_days = fields.replaced("eventRetentionDays", rules::integer(1..=90));
        Some(Self {
            name: name?,
            currency: currency?,
            timezone: timezone?,
            locale: locale?,
            unique_contact_emails: unique_contact_emails?,
            qr_login_allowed: qr_login_allowed?,
            qr_same_network_required: qr_same_network_required?,
            event_retention_days: event_retention_days?,
        })
    }
}

impl SettingsPatch {
    /// Makes the change.
    pub(super) fn apply(self, settings: &mut Settings) {
        replace(&mut settings.name, self.name);
        replace(&mut settings.currency, self.currency);
        replace(&mut settings.timezone, self.timezone);
        replace(&mut settings.locale, self.locale);
        replace(&mut settings.unique_contact_emails, self.unique_contact_emails);
        replace(&mut settings.qr_login_allowed, self.qr_login_allowed);
        replace(&mut settings.qr_same_network_required, self.qr_same_network_required);
        replace(&mut settings.event_retention_days, self.event_retention_days);
    }
}

fn replace<T>(current: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *current = new;
    }
}

/// A name of the IANA time zone database.
fn timezone() -> impl Rule<String> {
    let names = || TZ_VARIANTS.map(Tz::name);
    let schema = move || json!({"type": "string", "enum": names().as_slice()});
    rules::string_of(schema, |text| match Tz::from_str(&text) {
        Ok(zone) => Ok(zone.name().to_owned()),
        Err(_) => Err("Must be a time zone of the IANA database, such as Europe/Berlin".into()),
    })
}

/// Language, perhaps script, perhaps region, in the usual case (RFC 5646, 2.1.1); whether anyone speaks it is not
/// asked.
fn locale() -> impl Rule<String> {
    rules::string_of(|| json!({"type": "string", "pattern": LOCALE}), language_tag)
}

fn language_tag(text: String) -> Checked<String> {
    let mut parts = text.split('-').peekable();
    let language = parts.next().is_some_and(|part| {
        (2..=3).contains(&part.len()) && part.bytes().all(|letter| letter.is_ascii_lowercase())
    });
    parts.next_if(|part| is_script(part));
    parts.next_if(|part| is_region(part));
    if language && parts.next().is_none() {
        Ok(text)
    } else {
        Err("Must be a language tag such as en, en-US or zh-Hant-TW".into())
    }
}

fn is_script(part: &str) -> bool {
    let mut letters = part.bytes();
    part.len() == 4
        && letters.next().is_some_and(|first| first.is_ascii_uppercase())
        && letters.all(|letter| letter.is_ascii_lowercase())
}

fn is_region(part: &str) -> bool {
    (part.len() == 2 && part.bytes().all(|letter| letter.is_ascii_uppercase()))
        || (part.len() == 3 && part.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::Value;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn a_locale_is_a_language_perhaps_a_script_and_perhaps_a_region() {
        for good in ["en", "en-US", "gsw-CH", "zh-Hant", "zh-Hant-TW", "es-419"] {
            assert!(locale().check(text(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "e",
            "EN",
            "en_US",
            "en-us",
            "en-",
            "-US",
            "en-US-x",
            "en-US-Latn",
            "klingon",
            "en-US ",
            "en-41",
        ] {
            assert!(locale().check(text(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_zone_is_a_name_that_the_world_knows() {
        for good in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata"] {
            assert!(timezone().check(text(good)).is_ok(), "{good}");
        }
        for bad in ["", "Berlin", "europe/berlin", "+01:00", "Europe/Atlantis", "UTC "] {
            assert!(timezone().check(text(bad)).is_err(), "{bad}");
        }
    }
}
