//! The OpenAPI 3.1 document, made of the same table that the router is made of.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, Deprecated, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref, RefOr,
    Required, Schema, Type,
};

use super::answer::Pagination;
use super::doc::{Outcome, SchemaOf};
use super::routes::{Access, Route};

/// The answers that any route may give besides its own.
const PROBLEMS: [(&str, &str); 7] = [
    ("400", "The request is not valid; `details` names every failing field"),
    ("401", "No valid credential"),
    ("403", "The credential lacks the scope"),
    ("404", "No such record in the tenant"),
    (LIMITED, "One request too many; try again after `Retry-After` seconds"),
    ("500", "A fault of ours; quote the request id"),
    ("503", "Temporarily unavailable; try again"),
];

/// The status of one request too many.
const LIMITED: &str = "429";

/// What the headers of a limited route say; all answers have them but `Retry-After`, which comes with [`LIMITED`].
const LIMIT_HEADERS: [(&str, Type, &str); 6] = [
    ("X-RateLimit-Limit", Type::Integer, "Requests in a window"),
    ("X-RateLimit-Remaining", Type::Integer, "Requests that may follow at once"),
    (
        "X-RateLimit-Reset",
        Type::Integer,
        "Unix seconds of the end of the window, or of the next request admitted",
    ),
    ("RateLimit-Policy", Type::String, "The limit: `\"read\";q=100;w=900`"),
    ("RateLimit", Type::String, "What is left of it, and for how long: `\"read\";r=99;t=655`"),
    ("Retry-After", Type::Integer, "Seconds to wait"),
];

/// The answers that any route with a body may give besides.
const BODY_PROBLEMS: [(&str, &str); 3] = [
    ("408", "The body did not arrive in time"),
    ("413", "The body is too large"),
    ("415", "The body is of a type that this route does not read"),
];

/// The document of these routes.
#[must_use]
pub fn document(routes: &[Route]) -> OpenApi {
    let mut schemas = BTreeMap::new();
    collect::<Pagination>(&mut schemas);
    let mut paths = PathsBuilder::new();
    for route in routes {
        for used in [route.doc.body, record(&route.doc.outcome)].into_iter().flatten() {
            gather(used, &mut schemas);
        }
        paths = paths
            .path(route.path.clone(), PathItem::new(http_method(&route.method), operation(route)));
    }
    let mut components = ComponentsBuilder::new()
        .schema("Error", error_schema())
        .schema("Metadata", metadata_schema())
        .security_scheme(
            "apiKey",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))),
        )
        .security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    let info = InfoBuilder::new().title("Liaison").version(env!("CARGO_PKG_VERSION")).description(
        Some("A multi-tenant CRM whose every change can be heard by signed webhooks."),
    );
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

fn operation(route: &Route) -> utoipa::openapi::path::Operation {
    let doc = &route.doc;
    let mut operation = OperationBuilder::new()
        .operation_id(Some(doc.id.clone()))
        .summary(Some(doc.summary))
        .tag(route.tag)
        .deprecated(route.deprecation.map(|_| Deprecated::True));
    for name in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        operation = operation.parameter(parameter);
    }
    for parameter in &doc.query {
        operation = operation.parameter(parameter.clone());
    }
    if let Some(body) = &doc.body {
        let content =
            ContentBuilder::new().schema(Some(Ref::from_schema_name((body.name)()))).build();
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(if doc.body_optional { Required::False } else { Required::True }));
        operation = operation.request_body(Some(body.build()));
    }
    if !doc.streams.is_empty() {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for media_type in doc.streams {
            body = body.content(*media_type, ContentBuilder::new().build());
        }
        operation = operation.request_body(Some(body.build()));
    }
    let (needs, credentials): (_, &[&str]) = match route.access {
        Access::Public => ("Needs no credential.".to_owned(), &[]),
        Access::User => ("Needs a signed-in user.".to_owned(), &["bearer"]),
        Access::Session => (
            "Needs a signed-in user with a session; an outside issuer's token has none.".to_owned(),
            &["bearer"],
        ),
        Access::Any => ("Needs any credential.".to_owned(), &["apiKey", "bearer"]),
        Access::Scope(scope) => (format!("Needs the scope `{scope}`."), &["apiKey", "bearer"]),
    };
    let credentials = credentials.iter().map(|name| SecurityRequirement::new(*name, [""; 0]));
    operation = operation.description(Some(needs)).securities(Some(credentials));
    for (status, answer) in answers(&doc.outcome) {
        operation = operation.response(status, answer);
    }
    let with_body: &[_] =
        if doc.body.is_some() || !doc.streams.is_empty() { &BODY_PROBLEMS } else { &[] };
    for (status, what) in
        PROBLEMS.iter().chain(with_body).copied().chain(doc.conflict.map(|what| ("409", what)))
    {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
        let response =
            ResponseBuilder::new().description(what).content("application/json", content);
        let response = if status == LIMITED { limit_headers(response) } else { response };
        operation = operation.response(status, response.build());
    }
    operation.build()
}

fn limit_headers(response: ResponseBuilder) -> ResponseBuilder {
    LIMIT_HEADERS.into_iter().fold(response, |response, (name, schema_type, what)| {
        let schema = ObjectBuilder::new().schema_type(schema_type);
        response
            .header(name, HeaderBuilder::new().schema(Some(schema)).description(Some(what)).build())
    })
}

fn answers(outcome: &Outcome) -> Vec<(&'static str, utoipa::openapi::Response)> {
    let record = |status, what, schema| (status, answer(what, Some(reference(schema)), false));
    match outcome {
        Outcome::Data(schema) => vec![record("200", "The record", *schema)],
        Outcome::Created(schema) => vec![record("201", "The new record", *schema)],
        Outcome::Accepted(schema) => vec![record("202", "Begun", *schema)],
        Outcome::AtOnceOrAccepted(schema) => {
            vec![record("200", "Done", *schema), record("202", "Begun", *schema)]
        }
        Outcome::Page(schema) => {
            let items = json!({"type": "array", "items": reference(*schema)});
            vec![("200", answer("A page of records", Some(items), true))]
        }
        Outcome::File(media_type) => vec![("200", text("The file", media_type))],
        Outcome::Events => vec![("200", text("Server-sent events", "text/event-stream"))],
        Outcome::NoContent => vec![("204", answer("Done", None, false))],
    }
}

fn text(what: &'static str, media_type: &'static str) -> utoipa::openapi::Response {
    let content =
        ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    ResponseBuilder::new().description(what).content(media_type, content.build()).build()
}

fn answer(
    what: &'static str,
    data: Option<serde_json::Value>,
    paged: bool,
) -> utoipa::openapi::Response {
    let mut response = ResponseBuilder::new().description(what);
    if let Some(data) = data {
        let mut envelope = json!({
            "type": "object",
            "required": ["success", "data", "metadata"],
            "properties": {
                "success": {"type": "boolean", "enum": [true]},
                "data": data,
                "metadata": {"$ref": "#/components/schemas/Metadata"},
            },
        });
        if paged {
            envelope["properties"]["pagination"] =
                json!({"$ref": "#/components/schemas/Pagination"});
        }
        response = response
            .content("application/json", ContentBuilder::new().schema(schema_of(envelope)).build());
    }
    response.build()
}

fn reference(schema: SchemaOf) -> serde_json::Value {
    json!({"$ref": format!("#/components/schemas/{}", (schema.name)())})
}

fn schema_of(value: serde_json::Value) -> Option<RefOr<Schema>> {
    serde_json::from_value(value).ok()
}

fn error_schema() -> RefOr<Schema> {
    schema_of(json!({
        "type": "object",
        "required": ["success", "error", "code", "metadata"],
        "properties": {
            "success": {"type": "boolean", "enum": [false]},
            "error": {"type": "string"},
            "code": {"type": "string"},
            "details": {"type": "object", "additionalProperties": {"type": "string"}},
            "metadata": {"$ref": "#/components/schemas/Metadata"},
        },
    }))
    .unwrap_or_else(|| Schema::default().into())
}

fn metadata_schema() -> RefOr<Schema> {
    schema_of(json!({
        "type": "object",
        "required": ["timestamp", "requestId"],
        "properties": {"timestamp": {"type": "string", "format": "date-time"}, "requestId": {"type": "string"}},
    }))
    .unwrap_or_else(|| Schema::default().into())
}

fn record(outcome: &Outcome) -> Option<SchemaOf> {
    match outcome {
        Outcome::Data(schema)
        | Outcome::Created(schema)
        | Outcome::Accepted(schema)
        | Outcome::AtOnceOrAccepted(schema)
        | Outcome::Page(schema) => Some(*schema),
        Outcome::File(_) | Outcome::NoContent | Outcome::Events => None,
    }
}

fn gather(used: SchemaOf, into: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut inner = Vec::new();
    (used.inner)(&mut inner);
    into.extend(inner);
    into.insert((used.name)(), (used.schema)());
}

fn collect<T: utoipa::ToSchema>(into: &mut BTreeMap<String, RefOr<Schema>>) {
    into.insert(T::name().into_owned(), T::schema());
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}
