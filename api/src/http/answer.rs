//! What handlers answer with. Each is written down as a [`Reply`], which the outermost layer puts into the one
//! envelope of requirements F-1 to F-3 ([`super::envelope`]).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use shared::event::EventType;
use uuid::Uuid;

use super::envelope::Said;
use crate::error::{Error, Result};

/// What answers show of a record or of anything else.
pub trait Representation: Serialize {
    /// Counts the record's changes; it is what `If-Match` compares.
    fn version(&self) -> Option<i32> {
        None
    }
}

/// 200 with a record.
pub struct Data<T>(pub T);

/// 201 with a record and where it lives.
pub struct Created<T> {
    /// The path of the new record.
    pub location: String,
    /// The record.
    pub data: T,
}

/// 202 with what was begun and where to follow it.
pub struct Accepted<T> {
    /// The path that tells how it goes.
    pub location: String,
    /// How it stands now.
    pub data: T,
}

/// 204: done, nothing to say.
pub struct NoContent;

/// 200 with a page of records.
pub struct Listed<T> {
    /// The records of this page.
    pub items: Vec<T>,
    /// Where the page stands.
    pub pagination: Pagination,
    /// Where other pages are: the `Link` header (RFC 8288).
    pub link: Option<HeaderValue>,
}

/// Where a page stands in its list. A page that was reached by a cursor has no number, and its list is not counted.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"total": 1, "page": 1, "pageSize": 20, "pages": 1, "totalIsEstimate": false,
    "hasMore": false}))]
pub struct Pagination {
    /// Records in the whole list; `null` with `cursor`.
    #[schema(required)]
    pub total: Option<i64>,
    /// This page, from 1; `null` with `cursor`.
    #[schema(required)]
    pub page: Option<i64>,
    /// Records per page.
    pub page_size: i64,
    /// Pages in the whole list; `null` with `cursor`.
    #[schema(required)]
    pub pages: Option<i64>,
    /// The list was not counted to its end: `total` is a lower bound.
    pub total_is_estimate: bool,
    /// Whether there are records behind this page.
    pub has_more: bool,
    /// What `cursor` goes on with; `null` at the end.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// An answer written down, so that it can be kept for a repetition before its transaction commits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reply {
    status: u16,
    location: Option<String>,
    /// JSON text; none for 204.
    pub(super) data: Option<String>,
    pub(super) version: Option<i32>,
    pub(super) pagination: Option<Pagination>,
    /// Lists are never kept for a repetition.
    #[serde(skip)]
    link: Option<HeaderValue>,
    /// What a dry run would have announced; none when the change was really made.
    #[serde(skip)]
    pub(super) rehearsed: Option<Vec<EventType>>,
    /// Whether it repeats an earlier answer.
    #[serde(skip)]
    pub(super) replayed: bool,
}

impl Reply {
    fn new(status: StatusCode) -> Self {
        Self {
            status: status.as_u16(),
            location: None,
            data: None,
            version: None,
            pagination: None,
            link: None,
            rehearsed: None,
            replayed: false,
        }
    }

    fn with<T: Representation>(status: StatusCode, data: &T) -> Result<Self> {
        Ok(Self { data: Some(json(data)?), version: data.version(), ..Self::new(status) })
    }

    fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// The id of the record that it shows.
    pub(super) fn record(&self) -> Option<Uuid> {
        #[derive(Deserialize)]
        struct Record {
            id: Uuid,
        }
        let record: Record = serde_json::from_str(self.data.as_deref()?).ok()?;
        Some(record.id)
    }

    /// The same for a change that was only tried. Where there would be nothing to say, there is what it would have
    /// announced.
    #[must_use]
    pub fn rehearsed(self, announced: Vec<EventType>) -> Self {
        let said = Self { rehearsed: Some(announced), location: None, ..self };
        match said.data {
            Some(_) => said,
            None => Self { status: StatusCode::OK.as_u16(), data: Some("null".to_owned()), ..said },
        }
    }

    /// The same as an answer to a repetition.
    pub(super) fn replayed(self) -> Self {
        Self { replayed: true, ..self }
    }
}

fn json<T: Serialize + ?Sized>(data: &T) -> Result<String> {
    serde_json::to_string(data).map_err(|error| Error::Internal(error.into()))
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = status.into_response();
        let location = self.location.as_deref().and_then(|path| HeaderValue::from_str(path).ok());
        if let Some(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if let Some(link) = self.link.clone() {
            response.headers_mut().insert(header::LINK, link);
        }
        response.extensions_mut().insert(Said::Data(Box::new(self)));
        response
    }
}

/// Anything that can be written down as a [`Reply`].
pub trait Answer {
    /// Writes it down.
    ///
    /// # Errors
    /// [`Error::Internal`] when it does not serialise.
    fn reply(self) -> Result<Reply>;
}

impl<T: Representation> Answer for Data<T> {
    fn reply(self) -> Result<Reply> {
        Reply::with(StatusCode::OK, &self.0)
    }
}

impl<T: Representation> Answer for Created<T> {
    fn reply(self) -> Result<Reply> {
        Ok(Reply::with(StatusCode::CREATED, &self.data)?.at(self.location))
    }
}

impl<T: Representation> Answer for Accepted<T> {
    fn reply(self) -> Result<Reply> {
        Ok(Reply::with(StatusCode::ACCEPTED, &self.data)?.at(self.location))
    }
}

impl Answer for NoContent {
    fn reply(self) -> Result<Reply> {
        Ok(Reply::new(StatusCode::NO_CONTENT))
    }
}

impl<T: Representation> Answer for Listed<T> {
    fn reply(self) -> Result<Reply> {
        let data = Some(json(&self.items)?);
        let pagination = Some(self.pagination);
        Ok(Reply { data, pagination, link: self.link, ..Reply::new(StatusCode::OK) })
    }
}

macro_rules! into_response {
    ($($answer:ty $(, $generic:ident)?;)+) => {$(
        impl$(<$generic: Representation>)? IntoResponse for $answer {
            fn into_response(self) -> Response {
                self.reply().into_response()
            }
        }
    )+};
}

into_response! {
    Data<T>, T;
    Created<T>, T;
    Accepted<T>, T;
    NoContent;
    Listed<T>, T;
}
