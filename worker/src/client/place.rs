//! Where a request goes, and the form that it takes there.

use http::{HeaderMap, HeaderValue, Request, Uri, Version, header};
use shared::webhook::identity::ClientIdentity;
use url::{Host, Position, Url};

use super::Fault;
use super::pool::Key;
use super::progress::Outgoing;

/// Where a request goes, from the checked URL.
pub(super) struct Place {
    pub https: bool,
    pub host: Host<String>,
    pub port: u16,
    pub identity: Option<ClientIdentity>,
    url: Url,
}

impl Place {
    pub(super) fn of(url: Url, identity: Option<ClientIdentity>) -> Result<Self, Fault> {
        let host = url.host().ok_or(Fault::RequestFailed)?.to_owned();
        let port = url.port_or_known_default().ok_or(Fault::RequestFailed)?;
        Ok(Self { https: url.scheme() == "https", host, port, identity, url })
    }

    pub(super) fn key(&self) -> Key {
        Key {
            https: self.https,
            host: self.host.to_string(),
            port: self.port,
            identity: self.identity.as_ref().map(ClientIdentity::digest),
        }
    }

    /// In the form of the version: HTTP/1 names the host in a header, HTTP/2 in the address.
    pub(super) fn request(
        &self,
        headers: &HeaderMap,
        body: Outgoing,
        http2: bool,
    ) -> Result<Request<Outgoing>, Fault> {
        let host = &self.url[Position::BeforeHost..Position::AfterPort];
        let address = if http2 {
            self.url[..Position::AfterQuery].parse()
        } else {
            self.url[Position::BeforePath..Position::AfterQuery].parse()
        };
        let address: Uri = address.map_err(|_| Fault::RequestFailed)?;
        let mut request = Request::post(address).body(body).map_err(|_| Fault::RequestFailed)?;
        *request.headers_mut() = headers.clone();
        if http2 {
            *request.version_mut() = Version::HTTP_2;
        } else {
            let host = HeaderValue::from_str(host).map_err(|_| Fault::RequestFailed)?;
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(request)
    }
}
