//! The hot paths: an api over real HTTP and a worker step by step, each with PostgreSQL at the other end of the wire.

use std::env;

use tests::bench::receiver::Receivers;
use tests::bench::requests::{Numbers, create_contact, get};
use tests::bench::wire::Connection;
use tests::kit::{CONTACTS, Tenant, TestApp};
use worker::steps::Steps;

use super::wire::Wire;

/// Every path that is guarded.
pub const NAMES: [&str; 4] = [CREATE, GET, LIST, DELIVER];

const CREATE: &str = "create a contact";
const GET: &str = "get a contact";
const LIST: &str = "list 20 contacts";
/// From the outbox to the outcome: relay, claim, attempt, record.
const DELIVER: &str = "deliver an event";

/// Contacts of the tenant that reads, of which a page shows the first.
const CONTACTS_TO_READ: u32 = 100;

/// See the module.
pub struct Paths {
    pub app: TestApp,
    pub wire: Wire,
    worker: Steps,
    receivers: Receivers,
    connection: Connection,
    numbers: Numbers,
    /// Nobody hears of what this one does.
    quiet: Tenant,
    /// This one has a webhook.
    heard: Tenant,
    contact: String,
}

impl Paths {
    /// Starts everything.
    pub async fn start() -> Self {
        let wire = Wire::default();
        let server =
            env::var("TEST_DATABASE_URL").expect("run through `make guard` or `make test`");
        let app = TestApp::by_way_of(wire.to(&server).await).await;
        let worker = app.worker();
        let (quiet, heard) = (app.tenant("quiet").await, app.tenant("heard").await);
        let receivers = Receivers::start(1).await.unwrap();
        let url = format!("http://{}/", receivers.addresses[0]);
        heard.webhook(&url, &["contact.created"]).await;
        let connection = Connection::open(app.address()).await.unwrap();
        let numbers = Numbers::default();
        let contact = String::new();
        let mut paths =
            Self { app, wire, worker, receivers, connection, numbers, quiet, heard, contact };
        for _ in 0..CONTACTS_TO_READ {
            paths.create(true).await;
        }
        let listed = paths.quiet.get(CONTACTS).await.page();
        paths.contact = format!("{CONTACTS}/{}", listed.each("id")[0]);
        paths.app.database.execute("vacuum analyze").await;
        paths
    }

    /// Makes what so many operations of the path need to be there before.
    pub async fn prepare(&mut self, name: &str, times: u32) {
        if name == DELIVER {
            for _ in 0..times {
                self.create(false).await;
            }
        }
    }

    /// Does it so many times.
    pub async fn run(&mut self, name: &str, times: u32) {
        match name {
            CREATE => {
                for _ in 0..times {
                    self.create(true).await;
                }
            }
            GET | LIST => {
                let path = if name == GET { self.contact.clone() } else { CONTACTS.to_owned() };
                let mut request = Vec::new();
                get(&path, self.quiet.key(), &mut request);
                for _ in 0..times {
                    self.call(&request, 200).await;
                }
            }
            _ => {
                assert_eq!(self.worker.drain().await.unwrap(), times as usize, "what was prepared");
                self.receivers.take();
            }
        }
    }

    /// A contact of the tenant that nobody hears of, or of the one with the webhook.
    async fn create(&mut self, quietly: bool) {
        let tenant = if quietly { &self.quiet } else { &self.heard };
        let mut request = Vec::with_capacity(512);
        create_contact(tenant.key(), self.numbers.next(), &mut request);
        self.call(&request, 201).await;
    }

    async fn call(&mut self, request: &[u8], expected: u16) {
        let status = self.connection.call(request).await.unwrap();
        let body = String::from_utf8_lossy(self.connection.body());
        assert_eq!(status, expected, "{body}");
    }
}
