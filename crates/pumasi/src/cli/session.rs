//! A member's side for one command: keys, an endpoint of its own, the way to the center.

use crate::app::App;
use crate::clock;
use crate::dial::{Dialed, endpoint_config, net_fault};
use crate::fault::Fault;
use crate::home::Home;
use crate::local::CenterLink;
use crate::membership::Membership;
use crate::secret;
use client::account::Account;
use client::{Bucket, Client, ClientError, NameIndex, Stage};
use console::args;
use model::errors;
use net::Endpoint;
use seal::{AccountRoot, BucketKeys};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinSet;
use wire::Link;

/// Places on this account's side are written so.
pub const MINE: &str = "my:";

/// `my:bucket/key`, or a link and what lies below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Bucket; of a link its beginning, to be shown.
    pub bucket: String,
    /// The link, where it is one.
    pub link: Option<Box<Link>>,
    /// Key, or the beginning of keys; empty for the whole bucket.
    pub key: String,
}

impl Place {
    /// The place in `text`; none where it is a file.
    pub fn find(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(MINE)?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        (!bucket.is_empty()).then(|| Self { bucket: bucket.to_owned(), link: None, key: key.to_owned() })
    }

    /// One side of a copy: a place, a file, or a link that must be whole.
    pub fn side(text: &str) -> Result<Option<Self>, Fault> {
        if text.starts_with(Link::PREFIX) { Self::of_link(text).map(Some) } else { Ok(Self::find(text)) }
    }

    /// The same, where only the bucket's owner may do it.
    pub fn own(self, text: &str) -> Result<Self, Fault> {
        match self.link {
            Some(_) => Err(Fault::bad_value(
                "place",
                text.get(..12).unwrap_or(text),
                "only the owner of the bucket does this; a link is for reading, and cp and rm where it allows them",
            )),
            None => Ok(self),
        }
    }

    /// A link, and what may follow it after a `/`: names below what it grants.
    fn of_link(text: &str) -> Result<Self, Fault> {
        let (link, rest) = text.split_once('/').map_or((text, None), |(link, rest)| (link, Some(rest)));
        let shown = format!("{}…", link.get(..12).unwrap_or(link));
        let damaged = |why: &dyn std::fmt::Display| Fault::new(errors::TICKET_DAMAGED, []).because(why);
        let link: Link = link.parse().map_err(|e: wire::TicketError| damaged(&e))?;
        let keys = BucketKeys::parse(&link.keys).map_err(|e| damaged(&e))?;
        let base = keys.base();
        let key = match rest {
            None | Some("") if keys.is_object() || base.is_empty() => base.to_owned(),
            None => format!("{base}/"),
            Some(rest) if base.is_empty() => rest.to_owned(),
            Some(rest) => format!("{base}/{rest}"),
        };
        Ok(Self { bucket: shown, link: Some(Box::new(link)), key })
    }

    /// The place in `text`, which must be one.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.starts_with(Link::PREFIX) {
            return Self::of_link(text);
        }
        Self::find(text).ok_or_else(|| Fault::bad_value("place", text, "it is written as my:bucket/key"))
    }

    /// The same, with a key that names one object.
    pub fn object(text: &str) -> Result<Self, Fault> {
        let place = Self::parse(text)?;
        if place.key.is_empty() || place.key.ends_with('/') {
            return Err(Fault::bad_value("place", text, "it names a bucket or a folder; name one object, or add -r"));
        }
        Ok(place)
    }

    /// The object `key` of the same bucket.
    pub fn at(&self, key: &str) -> String {
        let mine = if self.link.is_none() { MINE } else { "" };
        format!("{mine}{}/{key}", self.bucket)
    }
}

/// Client, account root, endpoint.
pub struct Session {
    /// To store and read with.
    pub client: Client,
    root: Option<AccountRoot>,
    machine: [u8; 32],
    name: String,
    endpoint: Endpoint,
    center: Arc<CenterLink>,
    /// Pays the relay; ends with the session.
    _paying: JoinSet<()>,
}

impl Session {
    /// Opens one; ends with [`Self::close`].
    pub async fn open(app: &App) -> Result<Self, Fault> {
        let membership = Membership::load(&app.home)?;
        let key = secret::load(&app.home.machine_key())?.ok_or_else(|| Fault::new(errors::NOT_JOINED, []))?;
        let center = Arc::new(CenterLink::new(&app.home, app.timeout).await);
        let ask = asking(&center);
        let root = super::account::root(app, &ask, &key, &membership.name).await?;
        let client = Self::client(&membership.center, membership.bind, key, ask).await?;
        let client = match open_stage(&app.home, &key) {
            Ok(stage) => client.with_stage(stage),
            Err(error) => {
                tracing::warn!(%error, "uploads are not staged on this machine");
                client
            }
        };
        let client = match NameIndex::open(&app.home.names(), &key) {
            Ok(index) => client.with_index(index),
            Err(error) => {
                tracing::warn!(%error, "names are not kept on this machine");
                client
            }
        };
        let client = client.with_waiting(waiting(app)).with_relay_paid(membership.center.id);
        let mut paying = JoinSet::new();
        let payer = client.clone();
        paying.spawn(async move { payer.pay_relay().await });
        let (machine, name) = (key, membership.name);
        Ok(Self {
            endpoint: client.endpoint().clone(),
            client,
            root: Some(root),
            machine,
            name,
            center,
            _paying: paying,
        })
    }

    /// A session to read a link with, of a machine that is in no cloud, or in another one.
    async fn stranger(app: &App, link: &Link) -> Result<Self, Fault> {
        let key = secret::random();
        let address = link.address.center();
        let dialed = Dialed::with_key(&key, None, address.clone(), app.timeout).await?;
        let center = Arc::new(CenterLink::over(&app.home, app.timeout, dialed));
        let client = Self::client(&address, None, key, asking(&center)).await?.with_waiting(waiting(app));
        // Who is no member of the cloud has no account there, and pays nothing.
        let (machine, name, _paying) = (key, String::new(), JoinSet::new());
        Ok(Self { endpoint: client.endpoint().clone(), client, root: None, machine, name, center, _paying })
    }

    /// A client with an endpoint of its own.
    pub async fn client(
        center: &wire::PeerAddr,
        bind: Option<std::net::IpAddr>,
        key: [u8; 32],
        ask: client::AskCenter,
    ) -> Result<Client, Fault> {
        let endpoint = Endpoint::bind(endpoint_config(&secret::random(), bind, center, false)).await;
        Ok(Client::new(endpoint.map_err(|e| net_fault(&e, "bind"))?, key, clock::now, ask))
    }

    /// Pays the relay what is left to be paid, and ends its links.
    pub async fn close(&self) {
        self.client.end_relay().await;
        tokio::join!(self.endpoint.close(), self.center.close());
    }

    /// This account's root; E0101 for a machine that only reads a link.
    pub fn root(&self) -> Result<&AccountRoot, Fault> {
        self.root.as_ref().ok_or_else(|| Fault::new(errors::NOT_JOINED, []))
    }

    /// Secret of this machine's key.
    pub const fn machine(&self) -> &[u8; 32] {
        &self.machine
    }

    /// The account, opened from what the center carries now.
    pub async fn account(&self, app: &App) -> Result<Account, Fault> {
        super::account::open(app, &self.asking(), &self.machine, &self.name).await
    }

    /// How the center is asked.
    pub fn asking(&self) -> client::AskCenter {
        asking(&self.center)
    }

    /// The bucket of a place.
    pub async fn bucket_of(&self, place: &Place) -> Result<Bucket, Fault> {
        match &place.link {
            Some(link) => self.client.shared(link).await.map_err(|e| client_fault(e, &place.bucket)),
            None => self.bucket(&place.bucket).await,
        }
    }

    /// A bucket that is there.
    pub async fn bucket(&self, name: &str) -> Result<Bucket, Fault> {
        let root = self.root()?;
        let opened = self.client.bucket(root, name).await;
        match opened.map_err(|e| client_fault(e, &format!("{MINE}{name}"))) {
            Err(mut fault) if fault.id == errors::BUCKET_UNKNOWN => {
                let all = self.client.buckets(root).await.unwrap_or_default();
                let near = nearest(name, all.iter().filter_map(|b| b.name.as_deref()));
                fault.args.insert("near".to_owned(), near.map_or_else(|| "bucket create".to_owned(), str::to_owned));
                Err(fault)
            }
            opened => opened,
        }
    }

    /// The bucket of a place that is written to; one's own is made first where it is not there.
    pub async fn bucket_to_write(&self, place: &Place) -> Result<Bucket, Fault> {
        match &place.link {
            Some(_) => self.bucket_of(place).await,
            None => self.bucket_or_make(&place.bucket).await,
        }
    }

    /// A bucket, made first where it is not there.
    pub async fn bucket_or_make(&self, name: &str) -> Result<Bucket, Fault> {
        self.client.bucket_or_make(self.root()?, name).await.map_err(|e| client_fault(e, &format!("{MINE}{name}")))
    }

    /// Runs `work` with a session and closes it, whatever came of it.
    pub async fn with<T>(app: &App, work: impl AsyncFnOnce(&Self) -> Result<T, Fault>) -> Result<T, Fault> {
        Self::close_after(Self::open(app).await?, work).await
    }

    /// The same for a place, which may be a link of another cloud than this machine's.
    pub async fn at<T>(
        app: &App,
        place: &Place,
        work: impl AsyncFnOnce(&Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let is_ours = |link: &Link| Membership::load(&app.home).is_ok_and(|m| m.cloud == link.address.cloud);
        let session = match &place.link {
            Some(link) if !is_ours(link) => Self::stranger(app, link).await?,
            _ => Self::open(app).await?,
        };
        Self::close_after(session, work).await
    }

    async fn close_after<T>(session: Self, work: impl AsyncFnOnce(&Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let done = work(&session).await;
        session.close().await;
        done
    }
}

/// A way to the center as a client asks it.
pub fn asking(center: &Arc<CenterLink>) -> client::AskCenter {
    let center = Arc::clone(center);
    Arc::new(move |request| {
        let link = Arc::clone(&center);
        Box::pin(async move {
            let refused = |fault: Fault| wire::RefusalMsg { id: fault.id, args: fault.args };
            link.ask(request).await.map_err(|fault| ClientError::Refused(refused(fault)))
        })
    })
}

/// The stage of this home: at most a tenth of the free disk.
pub fn open_stage(home: &Home, key: &[u8; 32]) -> Result<Stage, ClientError> {
    let free = node::machine::disk(&home.data).map_or(0, |(_, free)| free.0);
    Stage::open(&home.stage(), key, free / client::FREE_SHARE)
}

/// The name most like the one that was typed: the longest common beginning, then the closest length.
fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let common = |name: &str| typed.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    names.max_by_key(|name| (common(name), std::cmp::Reverse(name.len().abs_diff(typed.len()))))
}

/// Says on the side what an upload waits for, whenever the numbers change.
fn waiting(app: &App) -> client::Waiting {
    let (out, last) = (app.out.clone(), std::sync::Mutex::new(None));
    Arc::new(move |on, need| {
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !out.quiet && last.replace((on, need)) != Some((on, need)) {
            eprintln!("{}", out.text("put-waits", args!["on" => on, "need" => need]));
        }
    })
}

/// A bar with rate and time left, or nothing where nobody watches.
pub fn progress(app: &App) -> impl Fn(&'static str, u64, u64) + Send + Sync + use<> {
    use indicatif::{ProgressBar, ProgressStyle};
    use std::io::IsTerminal;
    let bar =
        if app.out.quiet || !std::io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    let out = app.out.clone();
    move |phase, done, total| {
        bar.set_length(total);
        bar.set_message(out.text(phase, args![]));
        bar.set_position(done);
    }
}

/// An error of a transfer as a command ends with it; `shown` is the place it happened to.
pub fn client_fault(error: ClientError, shown: &str) -> Fault {
    let bucket = shown.strip_prefix(MINE).and_then(|rest| rest.split('/').next()).unwrap_or(shown);
    match error {
        ClientError::Refused(refusal) => {
            let mut fault = Fault::from(refusal);
            fault.args.entry("key".to_owned()).or_insert_with(|| shown.to_owned());
            fault.args.entry("bucket".to_owned()).or_insert_with(|| bucket.to_owned());
            fault
        }
        ClientError::TooFewHolders { have, need, ref why } => {
            let (have, need) = (have.to_string(), need.to_string());
            Fault::new(errors::TOO_FEW_NODES, [("class", "standard"), ("need", &need), ("live", &have), ("fit", &have)])
                .because(why.join("; "))
        }
        ClientError::CodeChanged => {
            let fields = [("class", "standard"), ("need", "–"), ("live", "–"), ("fit", "–")];
            Fault::new(errors::TOO_FEW_NODES, fields).because(error)
        }
        ClientError::Unreadable { have, need } => Fault::new(
            errors::UNREADABLE_NOW,
            [("have", &have.to_string()), ("need", &need.to_string()), ("when", "–")],
        ),
        ClientError::WrongKey | ClientError::Seal(seal::SealError::WrongKey) => {
            Fault::new(errors::KEY_WRONG, [("bucket", bucket)])
        }
        ClientError::Range { from, to, size } => {
            Fault::new(errors::BAD_RANGE, [("range", &format!("{from}-{to}")), ("size", &size.to_string())])
        }
        ClientError::Head(why) if why.contains("head_rolled_back") => {
            Fault::new(errors::ROLLBACK_SEEN, []).because(error)
        }
        ClientError::Head(_) => Fault::new(errors::FORK_SEEN, [("n", "–")]).because(error),
        ClientError::Seal(seal::SealError::Commitment) => Fault::new(errors::KEY_COMMITMENT, [("thing", shown)]),
        ClientError::Seal(seal::SealError::Name(why)) => Fault::new(errors::BAD_NAME, [("name", shown), ("why", why)]),
        ClientError::Seal(e) => Fault::new(errors::DAMAGED, [("key", shown), ("n", "1")]).because(e),
        ClientError::File { path, source } => Fault::file(&PathBuf::from(path), &source),
        ClientError::Net(e) => net_fault(&e, shown),
        ClientError::Changed => Fault::bad_value("file", shown, "it changed while it was read"),
        ClientError::Log(_) => Fault::new(errors::BAD_SIGNATURE, [("thing", "device log")]).because(error),
        other => Fault::bug(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_files() {
        let at = |bucket: &str, key: &str| Some(Place { bucket: bucket.into(), link: None, key: key.into() });
        let cases = [
            ("my:album/a/b.jpg", at("album", "a/b.jpg")),
            ("my:album", at("album", "")),
            ("my:album/", at("album", "")),
            ("my:/x", None),
            ("my:", None),
            ("album/a", None),
            ("/tmp/my:x", None),
        ];
        for (text, place) in cases {
            assert_eq!(Place::find(text), place, "{text}");
        }
        assert_eq!(nearest("papres", ["album", "papers", "pa"].into_iter()), Some("papers"));
        assert_eq!(nearest("x", [].into_iter()), None);
        assert!(Place::object("my:album/").is_err() && Place::object("my:album/x/").is_err());
    }
}
