//! The answers that routes share: errors, with an example of each, and headers.

use serde_json::{Map, Value, json};

use super::schemas::reference;

/// The form of a request's id.
const REQUEST_ID: &str = "^[!-~]{1,128}$";

/// The id of the request in examples.
const AN_ID: &str = "019b7ca9-8f2e-7eb0-9eef-b4330b6b2329";

/// The metadata of an example.
pub(super) fn metadata() -> Value {
    json!({"timestamp": "2026-01-02T03:04:05.678Z", "requestId": AN_ID})
}

/// An answer that says no.
struct Problem {
    name: &'static str,
    status: u16,
    code: &'static str,
    error: &'static str,
    what: &'static str,
    details: Option<(&'static str, &'static str)>,
}

const fn problem(
    name: &'static str,
    (status, code): (u16, &'static str),
    error: &'static str,
    what: &'static str,
) -> Problem {
    Problem { name, status, code, error, what, details: None }
}

/// In the order of their statuses.
const PROBLEMS: &[Problem] = &[
    Problem {
        details: Some(("email", "Invalid email format")),
        ..problem(
            "BadRequest",
            (400, "VALIDATION_ERROR"),
            "Validation failed",
            "The request is not valid; `details` names every failing field and parameter",
        )
    },
    problem(
        "Unauthorized",
        (401, "UNAUTHORIZED"),
        "The API key is not valid",
        "No credential, or one that is not known, revoked, or past its time",
    ),
    Problem {
        details: Some(("scope", "contacts:write")),
        ..problem(
            "Forbidden",
            (403, "INSUFFICIENT_SCOPE"),
            "This needs the scope contacts:write",
            "The caller is known and may not do this",
        )
    },
    problem("NotFound", (404, "NOT_FOUND"), "Contact not found", "No such record in the tenant"),
    problem(
        "MethodNotAllowed",
        (405, "METHOD_NOT_ALLOWED"),
        "Method not allowed",
        "The path knows other methods only, which `Allow` names",
    ),
    problem(
        "RequestTimeout",
        (408, "REQUEST_TIMEOUT"),
        "The body did not arrive in time",
        "The body did not arrive in time; nothing was done",
    ),
    problem(
        "Conflict",
        (409, "CONFLICT"),
        "The event is still pending",
        "The state of the record, or of another request, does not allow it",
    ),
    Problem {
        details: Some(("oldest", "5001")),
        ..problem(
            "EventsExpired",
            (410, "EVENTS_EXPIRED"),
            "Events behind this number are kept no longer; the oldest is 5001",
            "Events behind the number are kept no longer; `details.oldest` is the oldest that is",
        )
    },
    Problem {
        details: Some(("version", "4")),
        ..problem(
            "PreconditionFailed",
            (412, "PRECONDITION_FAILED"),
            "The record has changed: it has version 4",
            "The record is no longer as `If-Match` says",
        )
    },
    problem(
        "PayloadTooLarge",
        (413, "PAYLOAD_TOO_LARGE"),
        "The body is larger than 1048576 bytes",
        "The body is too large",
    ),
    problem(
        "UnsupportedMediaType",
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        "Send the body as application/json",
        "The body is of a type that this route does not read",
    ),
    problem(
        "IdempotencyKeyReused",
        (422, "IDEMPOTENCY_KEY_REUSED"),
        "The Idempotency-Key was used for another request",
        "The `Idempotency-Key` belongs to another request",
    ),
    Problem {
        details: Some(("retryAfter", "42")),
        ..problem(
            "TooManyRequests",
            (429, "RATE_LIMITED"),
            "Too many requests",
            "One request too many; try again after `Retry-After` seconds",
        )
    },
    problem(
        "InternalError",
        (500, "INTERNAL_ERROR"),
        "Internal server error",
        "A fault of ours; quote the request id",
    ),
    problem(
        "Unavailable",
        (503, "SERVICE_UNAVAILABLE"),
        "The service is temporarily unavailable",
        "Temporarily unavailable; try again",
    ),
];

/// Headers that every answer of a route has; those of limits are left out where a limit is off.
const COMMON: [&str; 6] = [
    "X-Request-Id",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "RateLimit-Policy",
    "RateLimit",
];

/// `components.headers`, with those of routes that are going away if there are any.
pub(super) fn headers(deprecations: bool) -> Value {
    let whole =
        |what: &str| json!({"description": what, "schema": {"type": "integer", "minimum": 0}});
    let text = |what: &str| json!({"description": what, "schema": {"type": "string"}});
    let form = |what: &str, pattern: &str| json!({"description": what, "schema": {"type": "string", "pattern": pattern}});
    let mut all = json!({
        "X-Request-Id": {
            "description": "One id for the answer, the logs and the events",
            "required": true,
            "schema": {"type": "string", "pattern": REQUEST_ID},
        },
        "ETag": form("The record's version and a hash of the answer", r#"^"([0-9]+-)?[A-Za-z0-9_-]+"$"#),
        "Location": form("The path of the new record", "^/api/"),
        "Link": text("The next, previous, first and last page; of an error, what its code means (RFC 8288)"),
        "Retry-After": whole("Seconds to wait"),
        "Idempotency-Replayed": form("This is the answer to an earlier request", "^true$"),
        "WWW-Authenticate": form("How to authenticate", "^Bearer "),
        "Allow": text("The methods that the path knows"),
        "X-RateLimit-Limit": whole("Requests in a window"),
        "X-RateLimit-Remaining": whole("Requests that may follow at once"),
        "X-RateLimit-Reset": whole("Unix seconds of the end of the window, or of the next request admitted"),
        "RateLimit-Policy": text("The limit, such as `\"read\";q=100;w=900`"),
        "RateLimit": text("What is left of it, and for how long, such as `\"read\";r=99;t=655`"),
    });
    if deprecations {
        let since = "Since when not to use this, in Unix seconds (RFC 9745)";
        all["Deprecation"] = form(since, "^@[0-9]+$");
        all["Sunset"] = text("When it stops answering (RFC 8594)");
    }
    all
}

/// References to the headers that every answer has, and to these.
pub(super) fn with_headers(more: &[&str]) -> Map<String, Value> {
    let names = COMMON.iter().chain(more);
    names
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")})))
        .collect()
}

/// `components.responses`: each error in both of its forms.
pub(super) fn problems() -> Map<String, Value> {
    PROBLEMS.iter().map(|problem| (problem.name.to_owned(), response(problem))).collect()
}

/// A reference to the shared answer of this status.
pub(super) fn shared(status: u16) -> Option<(String, Value)> {
    let problem = PROBLEMS.iter().find(|problem| problem.status == status)?;
    let pointer = format!("#/components/responses/{}", problem.name);
    Some((status.to_string(), json!({"$ref": pointer})))
}

fn response(problem: &Problem) -> Value {
    let mut envelope = json!({
        "success": false,
        "error": problem.error,
        "code": problem.code,
        "metadata": metadata(),
    });
    let title = http::StatusCode::from_u16(problem.status).ok();
    let mut rfc9457 = json!({
        "type": format!("urn:liaison:problem:{}", problem.code),
        "title": title.and_then(|status| status.canonical_reason()),
        "status": problem.status,
        "detail": problem.error,
        "instance": format!("urn:request:{AN_ID}"),
        "code": problem.code,
    });
    if let Some((field, fault)) = problem.details {
        envelope["details"] = json!({ field: fault });
        rfc9457["errors"] = json!({ field: fault });
    }
    let more: &[&str] = match problem.status {
        401 | 403 => &["Link", "WWW-Authenticate"],
        405 => &["Link", "Allow"],
        429 | 503 => &["Link", "Retry-After"],
        _ => &["Link"],
    };
    json!({
        "description": problem.what,
        "headers": with_headers(more),
        "content": {
            "application/json": {"schema": reference("Error"), "example": envelope},
            "application/problem+json": {"schema": reference("Problem"), "example": rfc9457},
        },
    })
}
