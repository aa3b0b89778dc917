//! The `Link` header (RFC 8288).

use tests::kit::{CONTACTS, Tenant, TestApp};

use super::{fill, three};

/// Relation and target of each link.
async fn links(tenant: &Tenant, path: &str) -> Vec<(String, String)> {
    let answer = tenant.get(path).await;
    assert_eq!(answer.status, 200, "{:#}", answer.body);
    let header = answer.header("link").to_owned();
    let mut links = Vec::new();
    for link in header.split(", ").filter(|link| !link.is_empty()) {
        let (target, relation) = link.split_once("; ").expect(link);
        let target = target.strip_prefix('<').and_then(|t| t.strip_suffix('>')).expect(link);
        let relation = relation.strip_prefix("rel=\"").and_then(|r| r.strip_suffix('"'));
        links.push((relation.expect(link).to_owned(), target.to_owned()));
    }
    links
}

fn pages(links: &[(&str, u32)], query: &str) -> Vec<(String, String)> {
    let link = |(relation, page): &(&str, u32)| {
        ((*relation).to_owned(), format!("{CONTACTS}?{query}page={page}"))
    };
    links.iter().map(link).collect()
}

#[tokio::test]
async fn a_page_links_to_its_neighbours_and_to_both_ends() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let query = "pageSize=1&";
    for (page, expected) in [
        (1, &[("first", 1), ("next", 2), ("last", 3)][..]),
        (2, &[("first", 1), ("prev", 1), ("next", 3), ("last", 3)]),
        (3, &[("first", 1), ("prev", 2), ("last", 3)]),
        (7, &[("first", 1), ("prev", 6), ("last", 3)]),
    ] {
        let found = links(&acme, &format!("{CONTACTS}?page={page}&pageSize=1")).await;
        assert_eq!(found, pages(expected, query), "page {page}");
    }
    let empty = app.tenant("empty").await;
    assert_eq!(links(&empty, CONTACTS).await, pages(&[("first", 1)], ""));
}

#[tokio::test]
async fn a_link_keeps_what_was_asked_and_can_be_followed_as_it_is() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let path =
        format!("{CONTACTS}?q=%65xample&createdAt[gte]=2026-01-01T00:00:00Z&pageSize=1&sort=name");
    let next = links(&acme, &path).await.into_iter().find(|(relation, _)| relation == "next");
    assert_eq!(acme.get(&next.unwrap().1).await.page().names(), ["Bob"]);
    let hostile =
        format!("{CONTACTS}?name=%3E%3B%20rel%3D%22next%22%0D%0AX-Evil%3A%201%2C%E2%82%AC");
    let target = "name=%3E%3B+rel%3D%22next%22%0D%0AX-Evil%3A+1%2C%E2%82%AC&";
    assert_eq!(links(&acme, &hostile).await, pages(&[("first", 1)], target));
}

#[tokio::test]
async fn with_a_cursor_the_only_link_is_to_what_follows() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let first = acme.get(&format!("{CONTACTS}?pageSize=1")).await.page();
    let mut path = format!(
        "{CONTACTS}?pageSize=1&cursor={}",
        first.pagination["nextCursor"].as_str().unwrap()
    );
    for name in ["ada", "Bob"] {
        assert_eq!(acme.get(&path).await.page().names(), [name]);
        match &links(&acme, &path).await[..] {
            [(relation, target)] if relation == "next" => target.clone_into(&mut path),
            others => assert_eq!((others, name), (&[][..], "Bob")),
        }
    }
}

#[tokio::test]
async fn where_pages_end_the_next_link_is_a_cursor_and_an_estimate_has_no_last_page() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&app, &acme, 100_001).await;
    let found = links(&acme, &format!("{CONTACTS}?pageSize=100&page=1000")).await;
    assert_eq!(found[..2], pages(&[("first", 1), ("prev", 999)], "pageSize=100&"));
    let (relation, target) = &found[2];
    assert_eq!((found.len(), &**relation), (3, "next"));
    assert_eq!(acme.get(target).await.page().items.len(), 1);
    // A cursor counts nothing, whatever the page was asked to count.
    let found = links(&acme, &format!("{CONTACTS}?pageSize=100&page=1000&total=estimate")).await;
    let (_, target) = found.iter().find(|(relation, _)| relation == "next").unwrap();
    assert_eq!(acme.get(target).await.page().items.len(), 1);
}

#[tokio::test]
async fn a_header_that_proxies_might_refuse_is_left_out() {
    let app = TestApp::start().await;
    let acme = three(&app).await;
    let page = acme.get(CONTACTS).await.page();
    let ids = vec![page.each("id").join(","); 33].join(",");
    let path = format!("{CONTACTS}?ids={ids}&pageSize=1");
    assert_eq!(acme.get(&path).await.page().pagination["total"], 3);
    assert_eq!(links(&acme, &path).await, []);
}
