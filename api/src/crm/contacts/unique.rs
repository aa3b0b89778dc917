//! What no two contacts share: the external id, and the e-mail address if the tenant says so (requirement C-8).
//! The database keeps the rule (migration 0012) and says who has it.

use shared::db::fault;
use sqlx::postgres::PgDatabaseError;

use super::Contact;
use crate::error::{Details, Error};

/// The detail that names who has it.
pub const EXISTING: &str = "existingId";

/// The answer to a contact that the database would not have.
pub(super) fn translate(contact: &Contact) -> impl FnOnce(sqlx::Error) -> Error {
    let (email, external_id) = (contact.email.clone(), contact.external_id.clone());
    move |error| taken(error, email, external_id)
}

/// The answer to a contact that cannot come back; its own values are not at hand.
pub(super) fn returning(error: sqlx::Error) -> Error {
    taken(error, None, None)
}

fn taken(error: sqlx::Error, email: Option<String>, external_id: Option<String>) -> Error {
    let (sentence, member, value) = match fault::constraint(&error) {
        Some("contacts_email_taken") => ("Another contact has this e-mail address", "email", email),
        Some("contacts_external_id_taken") => {
            ("Another contact has this external id", "externalId", external_id)
        }
        _ => return error.into(),
    };
    let holder = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .and_then(PgDatabaseError::detail);
    let mut details = Details::new();
    details.extend(value.map(|value| (member.to_owned(), value)));
    details.extend(holder.map(|id| (EXISTING.to_owned(), id.to_owned())));
    Error::Taken(sentence, details)
}
