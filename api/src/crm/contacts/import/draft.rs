//! What a row says of a contact: absent fields stay as they are, `null` clears.

use serde::{Deserialize, Serialize};
use shared::id::CompanyId;

use crate::crm::contacts::company;
use crate::http::fields::{Change, Fields, Input};
use crate::http::rules;
