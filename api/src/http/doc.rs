//! What a route says about itself; [`super::openapi`] makes the document of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};

use super::describe::Body;
use super::expand::Expansion;
use super::fields::Input;
use super::parameters::{self, Parameter};
use crate::list::List;

/// A schema by name, with those that it refers to.
#[derive(Clone, Copy)]
pub struct SchemaOf {
    /// The name among the document's components.
    pub name: fn() -> String,
    /// The schema.
    pub schema: fn() -> RefOr<Schema>,
    /// Adds the schemas it refers to.
    pub inner: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl SchemaOf {
    /// The schema of this type.
    #[must_use]
    pub const fn of<T: ToSchema>() -> Self {
        Self { name: || T::name().into_owned(), schema: T::schema, inner: T::schemas }
    }

    /// The names of the record's members.
    #[must_use]
    pub fn members(&self) -> BTreeSet<String> {
        let schema = serde_json::to_value((self.schema)()).unwrap_or_default();
        let members = schema["properties"].as_object();
        members.map(|members| members.keys().cloned().collect()).unwrap_or_default()
    }
}

/// One form of a body that is read piece by piece.
#[derive(Clone, Copy)]
pub struct Streamed {
    /// Its media type.
    pub media_type: &'static str,
    /// What it may be, as JSON Schema, and an example.
    pub shown: fn() -> (Value, Value),
}

/// What a route answers when all is well.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// 200 and a record.
    Data(SchemaOf),
    /// 201 and a record.
    Created(SchemaOf),
    /// 202 and what was begun.
    Accepted(SchemaOf),
    /// 200 and a record when it was done at once, otherwise 202 and what was begun.
    AtOnceOrAccepted(SchemaOf),
    /// 200 and a page of records.
    Page(SchemaOf),
    /// 200 and a file of this type, with an example.
    File(&'static str, &'static str),
    /// 200 and a document of another standard, of this media type, outside the envelope.
    Bare(&'static str, SchemaOf),
    /// 204.
    NoContent,
    /// 200 and server-sent events, with an example.
    Events(&'static str),
}

/// The documentation of one route.
#[derive(Clone)]
pub struct Doc {
    /// A unique name in camel case.
    pub id: String,
    /// One sentence.
    pub summary: &'static str,
    /// The body it reads.
    pub body: Option<Body>,
    /// Whether the body may be missing.
    pub body_optional: bool,
    /// The answer.
    pub outcome: Outcome,
    /// Query parameters.
    pub query: Vec<Parameter>,
    /// What `expand` can name.
    pub expansions: &'static [Expansion],
    /// Headers of its own that it reads: name and meaning.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Headers of its own that it answers with: name and meaning.
    pub answer_headers: Vec<(&'static str, &'static str)>,
    /// Statuses that it answers with besides those of its kind.
    pub refuses: &'static [u16],
    /// What can be asked of the list that it answers with.
    pub list: Option<&'static List>,
    /// When it answers 409.
    pub conflict: Option<&'static str>,
    /// When it answers 204 in place of a stream.
    pub silent: Option<&'static str>,
    /// The forms of a body that is read piece by piece, because it may be large.
    pub streams: &'static [Streamed],
    /// Whether it heeds `If-Match`.
    pub conditional: bool,
}

impl Doc {
    /// A route that answers with a record.
    #[must_use]
    pub fn data<T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::new(id, summary, Outcome::Data(SchemaOf::of::<T>()))
    }

    /// A route that creates a record.
    #[must_use]
    pub fn created<T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::new(id, summary, Outcome::Created(SchemaOf::of::<T>()))
    }

    /// A route that begins something that goes on.
    #[must_use]
    pub fn accepted<T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::new(id, summary, Outcome::Accepted(SchemaOf::of::<T>()))
    }

    /// A route that does what is small at once and begins what is large.
    #[must_use]
    pub fn at_once_or_accepted<T: ToSchema>(id: &'static str, summary: &'static str) -> Self {
        Self::new(id, summary, Outcome::AtOnceOrAccepted(SchemaOf::of::<T>()))
    }

    /// A route that answers with a file.
    #[must_use]
    pub fn file(
        id: &'static str,
        summary: &'static str,
        (media_type, example): (&'static str, &'static str),
    ) -> Self {
        Self::new(id, summary, Outcome::File(media_type, example))
    }

    /// A route that answers with a document of another standard, without the envelope.
    #[must_use]
    pub fn bare<T: ToSchema>(id: &'static str, summary: &'static str, kind: &'static str) -> Self {
        Self::new(id, summary, Outcome::Bare(kind, SchemaOf::of::<T>()))
    }

    /// A route that lists records.
    #[must_use]
    pub fn page<T: ToSchema>(id: &'static str, summary: &'static str, list: &'static List) -> Self {
        Self {
            query: parameters::of_list(list),
            expansions: list.expansions,
            list: Some(list),
            ..Self::new(id, summary, Outcome::Page(SchemaOf::of::<T>()))
        }
    }

    /// A route that answers with nothing.
    #[must_use]
    pub fn done(id: &'static str, summary: &'static str) -> Self {
        Self::new(id, summary, Outcome::NoContent)
    }

    /// A route that answers with server-sent events such as these.
    #[must_use]
    pub fn events(id: &'static str, summary: &'static str, example: &'static str) -> Self {
        Self::new(id, summary, Outcome::Events(example))
    }

    /// When it answers 204 in place of a stream that would tell nothing.
    #[must_use]
    pub fn silent(self, when: &'static str) -> Self {
        Self { silent: Some(when), ..self }
    }

    /// The body it reads, if there is one.
    #[must_use]
    pub fn optional_body<T: Input + ToSchema>(self) -> Self {
        Self { body_optional: true, ..self.body::<T>() }
    }

    /// The body it reads.
    #[must_use]
    pub fn body<T: Input + ToSchema>(self) -> Self {
        Self { body: Some(Body::of::<T>()), ..self }
    }

    /// What `expand` can name, for a route that shows one record.
    #[must_use]
    pub fn expands(mut self, expansions: &'static [Expansion]) -> Self {
        self.query.extend(parameters::expand(expansions));
        Self { expansions, ..self }
    }

    /// A query parameter of its own, with its schema.
    #[must_use]
    pub fn parameter(mut self, name: &str, what: &str, schema: Value) -> Self {
        self.query.push(Parameter::new(name, what, schema));
        self
    }

    /// A header that it reads.
    #[must_use]
    pub fn header(mut self, name: &'static str, what: &'static str) -> Self {
        self.headers.push((name, what));
        self
    }

    /// A header that it answers with.
    #[must_use]
    pub fn answers_with(mut self, name: &'static str, what: &'static str) -> Self {
        self.answer_headers.push((name, what));
        self
    }

    /// Statuses that it may answer with besides those that its kind of route has.
    #[must_use]
    pub fn refuses(self, statuses: &'static [u16]) -> Self {
        Self { refuses: statuses, ..self }
    }

    /// A query parameter of its own that is one of some words, the first of them when it is absent.
    #[must_use]
    pub fn choice(self, name: &str, what: &str, words: &'static [&'static str]) -> Self {
        self.parameter(name, what, json!({"type": "string", "enum": words, "default": words[0]}))
    }

    /// The forms of its body, which is read piece by piece.
    #[must_use]
    pub fn streams(self, forms: &'static [Streamed]) -> Self {
        Self { streams: forms, ..self }
    }

    /// It heeds `If-Match` and may answer 412.
    #[must_use]
    pub fn conditional(self) -> Self {
        Self { conditional: true, ..self }
    }

    /// When it answers 409.
    #[must_use]
    pub fn conflict(self, when: &'static str) -> Self {
        Self { conflict: Some(when), ..self }
    }

    /// The same under another name: ids are unique, and a merge answers to two methods.
    #[must_use]
    pub fn named_after(self, verb: &str, other: &str) -> Self {
        Self { id: self.id.replacen(verb, other, 1), ..self }
    }

    fn new(id: &'static str, summary: &'static str, outcome: Outcome) -> Self {
        let id = id.to_owned();
        Self {
            id,
            summary,
            body: None,
            body_optional: false,
            outcome,
            query: Vec::new(),
            expansions: &[],
            headers: Vec::new(),
            answer_headers: Vec::new(),
            refuses: &[],
            list: None,
            conflict: None,
            silent: None,
            streams: &[],
            conditional: false,
        }
    }
}

/// The schema of a field that holds one of these words, with a sentence about it.
#[must_use]
pub fn words(what: &str, words: &[&'static str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(what))
        .enum_values(Some(words.iter().copied()))
        .build()
}
