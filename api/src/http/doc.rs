//! What a route says about itself; [`super::openapi`] makes the document of it.

use std::collections::BTreeSet;

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Required, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::expand::Expansion;
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
    fn of<T: ToSchema + PartialSchema>() -> Self {
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

/// What a route answers when all is well.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// 200 and a record.
    Data(SchemaOf),
    /// 201 and a record.
    Created(SchemaOf),
    /// 202 and what was begun.
    Accepted(SchemaOf),
    /// 200 and a page of records.
    Page(SchemaOf),
    /// 204.
    NoContent,
    /// 200 and server-sent events.
    Events,
}

/// The documentation of one route.
#[derive(Clone)]
pub struct Doc {
    /// A unique name in camel case.
    pub id: String,
    /// One sentence.
    pub summary: &'static str,
    /// The body it reads.
    pub body: Option<SchemaOf>,
    /// Whether the body may be missing.
    pub body_optional: bool,
    /// The answer.
    pub outcome: Outcome,
    /// Query parameters.
    pub query: Vec<Parameter>,
    /// What can be asked of the list that it answers with.
    pub list: Option<&'static List>,
    /// When it answers 409.
    pub conflict: Option<&'static str>,
    /// Whether its body is read piece by piece, because it may be large.
    pub streams: bool,
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

    /// A route that lists records.
    #[must_use]
    pub fn page<T: ToSchema>(id: &'static str, summary: &'static str, list: &'static List) -> Self {
        Self {
            query: list_parameters(list),
            list: Some(list),
            ..Self::new(id, summary, Outcome::Page(SchemaOf::of::<T>()))
        }
    }

    /// A route that answers with nothing.
    #[must_use]
    pub fn done(id: &'static str, summary: &'static str) -> Self {
        Self::new(id, summary, Outcome::NoContent)
    }

    /// A route that answers with server-sent events.
    #[must_use]
    pub fn events(id: &'static str, summary: &'static str) -> Self {
        Self::new(id, summary, Outcome::Events)
    }

    /// The body it reads, if there is one.
    #[must_use]
    pub fn optional_body<T: ToSchema>(self) -> Self {
        Self { body_optional: true, ..self.body::<T>() }
    }

    /// The body it reads.
    #[must_use]
    pub fn body<T: ToSchema>(self) -> Self {
        Self { body: Some(SchemaOf::of::<T>()), ..self }
    }

    /// What `expand` can name, for a route that shows one record.
    #[must_use]
    pub fn expands(mut self, expansions: &[Expansion]) -> Self {
        self.query.extend(expand_parameter(expansions));
        self
    }

    /// A query parameter of its own.
    #[must_use]
    pub fn parameter(mut self, name: &str, what: &str, schema_type: Type) -> Self {
        self.query.push(parameter(name, what, schema_type));
        self
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
            list: None,
            conflict: None,
            streams: false,
            conditional: false,
        }
    }
}

/// The schema of a field that holds one of these words.
#[must_use]
pub fn words(words: &[&'static str]) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied())).build()
}

/// The schema of a field that holds one of these words, or nothing.
#[must_use]
pub fn words_or_null(words: &[&'static str]) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(words.iter().copied().map(Some).chain([None])))
        .build()
}

fn list_parameters(list: &List) -> Vec<Parameter> {
    let sorts = format!("One of {}; a leading `-` turns it round", list.sort_names().join(", "));
    let text = |name: &str, what: &str| parameter(name, what, Type::String);
    let mut all = vec![
        parameter("page", "The page, from 1; not beyond record 100,000", Type::Integer),
        parameter("pageSize", "Records per page, 1 to 100, 20 by default", Type::Integer),
        text(
            "cursor",
            "Goes on behind a page: its `nextCursor`, with the same filters and no `page`",
        ),
        text("sort", &sorts),
        text("total", "`exact` counts to the end; `estimate`, the default, to 10,000"),
        text("ids", "Records with one of these ids, at most 100, divided by commas"),
    ];
    if list.search.is_some() {
        all.push(text("q", "Records that contain this text, 3 to 100 characters, in any case"));
    }
    all.extend(expand_parameter(list.expansions));
    for column in list.columns {
        for operator in column.operators() {
            let name = operator.parameter(column.name);
            all.push(text(&name, &operator.describe(column)));
        }
    }
    all
}

fn expand_parameter(expansions: &[Expansion]) -> Option<Parameter> {
    let beside =
        |one: &Expansion| format!("`{0}` adds `{0}Record` beside `{1}`", one.name, one.member);
    let all: Vec<_> = expansions.iter().map(beside).collect();
    let what = format!("Records that are referred to, divided by commas: {}", all.join(", "));
    (!all.is_empty()).then(|| parameter("expand", &what, Type::String))
}

fn parameter(name: &str, what: &str, schema_type: Type) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(ObjectBuilder::new().schema_type(schema_type)))
        .build()
}
