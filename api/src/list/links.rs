//! The `Link` header of lists (RFC 8288): the request's own path and query, with another page.

use http::HeaderValue;
use url::form_urlencoded;

/// Proxies refuse answers with large headers; the body says the same.
const MAX_LENGTH: usize = 4_096;

/// What the links of a list have in common.
pub(super) struct Links {
    path: String,
    pairs: Vec<(String, String)>,
}

impl Links {
    pub fn new(path: &str, pairs: &[(String, String)]) -> Self {
        let place = |name: &str| ["page", "cursor"].contains(&name);
        let pairs = pairs.iter().filter(|(name, _)| !place(name)).cloned().collect();
        Self { path: path.to_owned(), pairs }
    }

    /// The header for these relations, each with the parameter that leads there; none when it would be too long.
    pub fn header(&self, links: &[(&str, (&str, String))]) -> Option<HeaderValue> {
        let links: Vec<_> = links
            .iter()
            .map(|(relation, place)| {
                // Behind a cursor nothing is counted.
                let counts = |name: &str| name == "total" && place.0 == "cursor";
                let query = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(self.pairs.iter().filter(|(name, _)| !counts(name)))
                    .append_pair(place.0, &place.1)
                    .finish();
                format!("<{}?{query}>; rel=\"{relation}\"", self.path)
            })
            .collect();
        let text = links.join(", ");
        (!text.is_empty() && text.len() <= MAX_LENGTH)
            .then(|| HeaderValue::from_str(&text).ok())
            .flatten()
    }
}
