//! What a browser would need to show an answer to a page of another origin is in none of them.

use reqwest::{Method, RequestBuilder, Response};
use tests::kit::{CONTACTS, TestApp};
use uuid::Uuid;

/// The answer to a page of another origin: only its head, because some stay open.
async fn asked(request: RequestBuilder) -> Response {
    let answer = request.header("origin", "https://elsewhere.example").send().await.unwrap();
    assert!(answer.headers().contains_key("x-request-id"), "{}", answer.url());
    let cors = answer.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
    assert_eq!(cors, None, "{}", answer.url());
    answer
}

#[tokio::test]
async fn no_route_lets_a_page_of_another_origin_read_its_answers() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(asked(acme.request(Method::GET, CONTACTS)).await.status(), 200);
    let routes = api::routes().into_iter().map(|route| (route.method, route.path));
    let others = ["/", "/nowhere", "/openapi.json", "/docs/"];
    let others = others.map(|path| (Method::GET, path.to_owned()));
    for (method, path) in routes.chain(others) {
        let parts = path.split('/').map(|part| {
            let id = Uuid::from_u128(rand::random()).to_string();
            if part.starts_with('{') { id } else { part.to_owned() }
        });
        let path = parts.collect::<Vec<_>>().join("/");
        asked(acme.request(method.clone(), &path)).await;
        let preflight = app.request(Method::OPTIONS, &path);
        let preflight = preflight
            .header("access-control-request-method", method.as_str())
            .header("access-control-request-headers", "x-api-key");
        assert!(!asked(preflight).await.status().is_success(), "{method} {path}");
    }
}
