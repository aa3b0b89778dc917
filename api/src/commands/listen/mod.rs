//! `api listen`: webhooks on a developer's machine, which nobody outside can reach. It follows the tenant's own event
//! log and sends each event to a program here, with the bytes and signatures that a webhook's would have. No third
//! party hears of it, and it needs no database.

mod forward;
mod remote;
mod sse;

use std::pin::pin;
use std::time::Duration;

use clap::Args;
use shared::Clock;
use shared::event;
use shared::id::WebhookId;
use shared::webhook::keys::{Key, SigningKeys};
use shared::webhook::signature::SigningSecret;
use url::Url;
use uuid::Uuid;

use super::CommandResult;
use super::out::say;
use forward::Forward;
use remote::{Followed, Remote, Trouble};

/// The first wait before a lost connection is made again; it doubles.
const SOON: Duration = Duration::from_millis(500);
/// The longest.
const LATER: Duration = Duration::from_secs(10);

/// What to follow, and where to send it.
#[derive(Args)]
pub(crate) struct Options {
    /// Where events are sent, such as <http://127.0.0.1:3000/hook>
    #[arg(long)]
    forward: Url,
    /// The api to follow
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    api: Url,
    /// An API key with the scope webhooks:read; in the variable it is not seen in lists of processes
    #[arg(long, env = "LIAISON_API_KEY", hide_env_values = true)]
    key: String,
    /// Send what this webhook would be sent: its events, ids and secret (scope webhooks:secrets)
    #[arg(long)]
    webhook: Option<WebhookId>,
    /// Sign with this secret; without one and without a webhook, with a fresh one that is printed
    #[arg(long, env = "LIAISON_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Only these events and families, such as contact.*,lead.created
    #[arg(long, value_delimiter = ',')]
    events: Vec<String>,
    /// Begin behind this number of the event log; 0 is its beginning, and refused once
    /// that has expired. Without it, with the next event
    #[arg(long)]
    after: Option<u64>,
    /// Send to other machines too
    #[arg(long)]
    allow_remote: bool,
}

/// What was done.
#[derive(Default)]
struct Counts {
    delivered: u64,
    failed: u64,
}

/// Follows until Ctrl-C, or until the api refuses to tell more.
pub(crate) async fn listen(options: Options) -> CommandResult {
    if !options.allow_remote && !is_here(&options.forward) {
        return Err("--forward is another machine; say --allow-remote if you mean it".into());
    }
    let mut stopped = pin!(shared::stop::signalled()?);
    let remote = Remote::new(&options.api, &options.key, options.webhook)?;
    let (keys, patterns) = tokio::select! {
        prepared = prepare(&options, &remote) => prepared?,
        () = &mut stopped => return Ok(()),
    };
    let webhook = options.webhook.unwrap_or(WebhookId(Uuid::nil()));
    let forward = Forward::new(options.forward, keys, webhook, Clock::system())?;
    let (mut counts, mut last) = (Counts::default(), options.after.map(|after| after.to_string()));
    let names = names(&patterns);
    let ended = {
        let following = pin!(follow(&remote, &forward, &names, &mut counts, &mut last));
        tokio::select! {
            trouble = following => Err(trouble),
            () = &mut stopped => Ok(()),
        }
    };
    let go_on = last.map(|last| format!("; go on with --after {last}")).unwrap_or_default();
    say(&format!("{} delivered, {} failed{go_on}", counts.delivered, counts.failed))?;
    ended.map_err(|trouble| trouble.to_string().into())
}

/// What to sign with, and which events are wanted.
async fn prepare(options: &Options, remote: &Remote) -> CommandResult<(SigningKeys, Vec<String>)> {
    let patterns = options.events.clone();
    if let Some(wrong) = patterns.iter().find(|pattern| !event::is_pattern(pattern)) {
        let known = event::patterns().join(", ");
        return Err(format!("--events: {wrong} is none of {known}").into());
    }
    let bare = |secret| SigningKeys::first(Key { secret, pair: None });
    let keys = match (&options.secret, options.webhook) {
        (Some(secret), _) => {
            bare(SigningSecret::parse(secret).map_err(|fault| format!("--secret: {fault}"))?)
        }
        (None, Some(webhook)) => remote.keys(webhook).await?,
        (None, None) => {
            let fresh = SigningSecret::generate();
            say(&format!("signing with {}", fresh.expose()))?;
            bare(fresh)
        }
    };
    Ok((keys, patterns))
}

/// What the feed is to be asked for; nothing asks for everything. `*` stands for what it stands for in a webhook.
fn names(patterns: &[String]) -> Vec<String> {
    let mut names: Vec<String> = patterns.iter().filter(|name| *name != "*").cloned().collect();
    if names.len() < patterns.len() {
        names.extend(event::promised().map(str::to_owned));
    }
    names
}

/// Whether an address is of this machine by its very name.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Sends on what comes, and connects again when it ends; comes back with what cannot be helped.
async fn follow(
    remote: &Remote,
    forward: &Forward,
    names: &[String],
    counts: &mut Counts,
    last: &mut Option<String>,
) -> Trouble {
    let (mut pause, mut connected) = (SOON, false);
    loop {
        match remote.follow(last.as_deref(), names).await {
            Ok(mut followed) => {
                if !connected
                    && let Err(error) = say(&format!("listening; sending to {}", forward.to()))
                {
                    return Trouble::Final(error.to_string());
                }
                (pause, connected) = (SOON, true);
                if let Err(trouble) = drain(&mut followed, forward, counts, last).await {
                    return trouble;
                }
            }
            Err(trouble @ Trouble::Final(_)) => return trouble,
            Err(trouble) if !connected => return trouble,
            Err(trouble) => {
                let _ = say(&format!("{trouble}; trying again in {} s", pause.as_secs_f32()));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LATER);
            }
        }
    }
}

/// Everything of one answer. What fails is told and passed over: the log can be read again.
async fn drain(
    followed: &mut Followed,
    forward: &Forward,
    counts: &mut Counts,
    last: &mut Option<String>,
) -> Result<(), Trouble> {
    while let Some(message) = followed.next().await {
        if let Some(data) = &message.data {
            let sent = forward.send(data).await.map_err(Trouble::Final)?;
            *if sent.accepted { &mut counts.delivered } else { &mut counts.failed } += 1;
            say(&sent.line).map_err(|error| Trouble::Final(error.to_string()))?;
        }
        *last = message.id.or_else(|| last.take());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_what_a_webhook_is_promised_and_extensions_are_named() {
        let all = names(&["*".to_owned()]);
        assert!(
            all.contains(&"contact.created".to_owned())
                && !all.contains(&"activity.created".to_owned())
        );
        assert!(
            names(&["*".to_owned(), "activity.*".to_owned()]).contains(&"activity.*".to_owned())
        );
        assert_eq!(names(&["lead.*".to_owned()]), ["lead.*"]);
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn this_machine_is_told_by_its_name() {
        for here in [
            "http://127.0.0.1:3000/hook",
            "http://localhost/",
            "http://[::1]:1/",
            "http://127.9.9.9/",
        ] {
            assert!(is_here(&here.parse().unwrap()), "{here}");
        }
        for away in [
            "http://example.com/",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "http://[::2]/",
        ] {
            assert!(!is_here(&away.parse().unwrap()), "{away}");
        }
    }
}
