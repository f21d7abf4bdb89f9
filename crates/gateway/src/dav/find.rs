//! `PROPFIND`: what is known of a place, and of what lies in it.
//!
//! (A) Everything that is told was read before the first byte of the answer goes out. (B) What was asked for by name and is not there
//! is told as that.

use super::error::{Body, Fault};
use super::locks::Locks;
use super::place::Place;
use super::properties::{Property, written};
use super::tree::{Node, Tree};
use super::visit::Visit;
use bytes::Bytes;
use dav_server::davpath::DavPath;
use dav_server::ls::DavLock;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use model::Stamp;
use std::convert::Infallible;
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use xmltree::{Element, XMLNode};

const DAV: &str = super::properties::DAV;
const MICROSOFT: &str = super::properties::MICROSOFT;
/// The type of a folder, as servers of old tell it.
const FOLDER_TYPE: &str = "httpd/unix-directory";

/// Properties of the protocol itself that are told where nobody names any.
const USUAL: [&str; 9] = [
    "creationdate",
    "displayname",
    "getcontentlength",
    "getcontenttype",
    "getetag",
    "getlastmodified",
    "resourcetype",
    "supportedlock",
    "lockdiscovery",
];

/// A time as headers tell it.
pub(crate) fn http_date(at: Stamp) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(at.as_ms()))
}

/// The second that a header tells.
pub(crate) fn of_http_date(text: &str) -> Option<u64> {
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
enum Ask {
    /// All that is usual, and these.
    All(Vec<Name>),
    /// Names alone.
    Names,
    /// These.
    These(Vec<Name>),
}

/// The name of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    namespace: String,
    name: String,
}

impl Name {
    fn usual(name: &str) -> Self {
        Self { namespace: DAV.to_owned(), name: name.to_owned() }
    }

    fn is_usual(&self) -> bool {
        self.namespace == DAV && USUAL.contains(&self.name.as_str())
    }

    /// Whether it may be a tool's own.
    fn may_be_own(&self) -> bool {
        super::properties::may_be_own(&self.namespace)
    }

    /// An element of this name around something.
    fn around(&self, inside: &str) -> String {
        let name = &self.name;
        match self.namespace.as_str() {
            DAV if inside.is_empty() => format!("<D:{name}/>"),
            DAV => format!("<D:{name}>{inside}</D:{name}>"),
            "" => format!("<{name} xmlns=\"\">{inside}</{name}>"),
            other => format!("<p:{name} xmlns:p=\"{}\">{inside}</p:{name}>", escape(other)),
        }
    }
}

fn elements(element: &Element) -> impl Iterator<Item = &Element> {
    element.children.iter().filter_map(XMLNode::as_element)
}

fn names(element: &Element) -> Vec<Name> {
    let name = |e: &Element| Name { namespace: e.namespace.clone().unwrap_or_default(), name: e.name.clone() };
    elements(element).map(name).collect()
}

fn asked(xml: &[u8]) -> Result<Ask, Fault> {
    if xml.is_empty() {
        return Ok(Ask::All(Vec::new()));
    }
    let root = Element::parse(Cursor::new(xml)).map_err(|error| Fault::bad(error.to_string()))?;
    let is = |element: &Element, name: &str| element.name == name && element.namespace.as_deref() == Some(DAV);
    if !is(&root, "propfind") {
        return Err(Fault::bad("a PROPFIND asks with propfind"));
    }
    let include = elements(&root).find(|e| is(e, "include")).map(names).unwrap_or_default();
    for element in elements(&root) {
        match element.name.as_str() {
            "prop" if is(element, "prop") => return Ok(Ask::These(names(element))),
            "allprop" if is(element, "allprop") => return Ok(Ask::All(include)),
            "propname" if is(element, "propname") => return Ok(Ask::Names),
            _ => {}
        }
    }
    Err(Fault::bad("a PROPFIND asks for prop, allprop or propname"))
}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// One place, as it is told.
struct Line {
    place: Place,
    node: Node,
    own: Arc<Vec<Property>>,
    locks: Vec<DavLock>,
}

impl Line {
    /// The value of a property of the protocol's own.
    fn live(&self, name: &Name) -> Option<String> {
        let node = &self.node;
        if name.namespace == MICROSOFT {
            return match name.name.as_str() {
                "Win32FileAttributes" => Some(if node.is_folder() { "00000010" } else { "00000020" }.to_owned()),
                "Win32CreationTime" | "Win32LastModifiedTime" | "Win32LastAccessTime" => node.at().map(http_date),
                _ => None,
            };
        }
        if name.namespace != DAV {
            return None;
        }
        match name.name.as_str() {
            "creationdate" => node.at().map(|at| at.to_string()),
            "displayname" => Some(escape(self.place.shown())).filter(|shown| !shown.is_empty()),
            "getcontentlength" if !node.is_folder() => Some(node.size().to_string()),
            "getcontenttype" if node.is_folder() => Some(FOLDER_TYPE.to_owned()),
            // What nobody told, programs guess by the name, where nothing else is said.
            "getcontenttype" => {
                node.entry().map(|entry| entry.content_type.as_str()).filter(|kind| !kind.is_empty()).map(escape)
            }
            "getetag" => node.etag().map(|tag| format!("&quot;{tag}&quot;")),
            "getlastmodified" => node.at().map(http_date),
            "resourcetype" => Some(if node.is_folder() { "<D:collection/>".to_owned() } else { String::new() }),
            "supportedlock" => Some(["exclusive", "shared"].map(lock_entry).concat()),
            "lockdiscovery" => Some(self.locks.iter().map(active_lock).collect()),
            "quota-used-bytes" => node.quota().map(|(used, _)| used.0.to_string()),
            "quota-available-bytes" => node.quota().map(|(used, most)| most.0.saturating_sub(used.0).to_string()),
            _ => None,
        }
    }

    fn own(&self, name: &Name) -> Option<&Property> {
        self.own.iter().find(|own| own.namespace == name.namespace && own.name == name.name)
    }

    /// The whole answer for it.
    fn told(&self, ask: &Ask) -> String {
        let usual = USUAL.map(Name::usual);
        let (mut found, mut missing) = (String::new(), String::new());
        let mut tell = |name: &Name| match (self.own(name), self.live(name)) {
            (Some(own), _) => found.push_str(&own.xml),
            (None, Some(value)) => found.push_str(&name.around(&value)),
            (None, None) => missing.push_str(&name.around("")),
        };
        match ask {
            Ask::These(names) => names.iter().for_each(tell),
            Ask::All(more) => {
                let known = |name: &&Name| self.own(name).is_none() && self.live(name).is_some();
                usual.iter().filter(known).for_each(&mut tell);
                more.iter().filter(|name| !name.is_usual() && self.own(name).is_none()).for_each(&mut tell);
                self.own.iter().for_each(|own| found.push_str(&own.xml));
            }
            Ask::Names => {
                for name in usual.iter().filter(|name| self.live(name).is_some()) {
                    found.push_str(&name.around(""));
                }
                for own in self.own.iter() {
                    found.push_str(&Name { namespace: own.namespace.clone(), name: own.name.clone() }.around(""));
                }
            }
        }
        let mut out = format!("<D:response><D:href>{}</D:href>", self.place.href(self.node.is_folder()));
        for (inside, status) in [(&found, "200 OK"), (&missing, "404 Not Found")] {
            if !inside.is_empty() {
                let stat =
                    format!("<D:propstat><D:prop>{inside}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>");
                out.push_str(&stat);
            }
        }
        if found.is_empty() && missing.is_empty() {
            out.push_str("<D:propstat><D:prop/><D:status>HTTP/1.1 200 OK</D:status></D:propstat>");
        }
        out + "</D:response>\n"
    }
}

fn lock_entry(scope: &str) -> String {
    format!("<D:lockentry><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>")
}

fn active_lock(lock: &DavLock) -> String {
    let scope = if lock.shared { "shared" } else { "exclusive" };
    let depth = if lock.deep { "infinity" } else { "0" };
    let seconds = lock.timeout.unwrap_or_default().as_secs();
    let owner = lock.owner.as_ref().and_then(|owner| {
        let element = Element { namespace: Some(DAV.to_owned()), ..(**owner).clone() };
        written(&element)
    });
    format!(
        "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:{scope}/></D:lockscope><D:depth>{depth}</D:depth>{}\
         <D:timeout>Second-{seconds}</D:timeout><D:locktoken><D:href>{}</D:href></D:locktoken>\
         <D:lockroot><D:href>{}</D:href></D:lockroot></D:activelock>",
        owner.unwrap_or_default(),
        escape(&lock.token),
        lock.path.as_url_string(),
    )
}

impl Tree {
    /// Answers `PROPFIND`; with `is_deep` also of what lies in a folder.
    pub async fn find(
        &self,
        visit: &Visit,
        (place, is_deep): (&Place, bool),
        xml: &[u8],
        locks: &Locks,
    ) -> Result<Response<Body>, Fault> {
        let ask = asked(xml)?;
        let node = self.look(visit, place).await?;
        let mut nodes = Vec::new();
        if is_deep && node.is_folder() {
            let kids = self.kids(visit, place).await?;
            nodes.extend(kids.into_iter().map(|(name, node)| (place.child(&name), node)));
        }
        nodes.insert(0, (place.clone(), node));
        let nodes = match &ask {
            Ask::These(names) if !names.iter().any(Name::may_be_own) => {
                nodes.into_iter().map(|(place, node)| (place, node, Arc::default())).collect()
            }
            _ => self.properties_of_all(nodes).await?,
        };
        let line = |(place, node, own): (Place, Node, _)| {
            let path = DavPath::new(&place.href(node.is_folder()));
            let locks = path.map(|path| locks.on(&path)).unwrap_or_default();
            Line { place, node, own, locks }
        };
        let lines: Vec<Line> = nodes.into_iter().map(line).collect();
        let begin = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\">\n".to_owned();
        let middle = lines.into_iter().map(move |line| line.told(&ask));
        let all = std::iter::once(begin).chain(middle).chain(["</D:multistatus>\n".to_owned()]);
        let frames = stream::iter(all.map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text)))));
        let body = StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync();
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::MULTI_STATUS;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(own: Vec<Property>) -> Line {
        Line {
            place: Place::parse("/b/a%26b").unwrap(),
            node: Node::Folder(None),
            own: Arc::new(own),
            locks: Vec::new(),
        }
    }

    #[test]
    fn what_is_asked_is_read_and_anything_else_refused() {
        let ask = |inside: &str| {
            asked(format!("<x:propfind xmlns:x=\"DAV:\" xmlns=\"u:v\">{inside}</x:propfind>").as_bytes())
        };
        assert_eq!(asked(b"").ok(), Some(Ask::All(Vec::new())));
        assert_eq!(ask("<x:propname/>").ok(), Some(Ask::Names));
        assert_eq!(ask("<more/><x:allprop/>").ok(), Some(Ask::All(Vec::new())));
        let own = Name { namespace: "u:v".into(), name: "own".into() };
        assert_eq!(
            ask("<x:prop><x:getetag/><own/></x:prop>").ok(),
            Some(Ask::These(vec![Name::usual("getetag"), own]))
        );
        for bad in ["", "<prop/>", "<x:other/>"] {
            assert!(ask(bad).is_err(), "{bad}");
        }
        assert!(
            asked(b"<propfind/>").is_err() && asked(b"<x:propfind xmlns:x=\"DAV:\">").is_err() && asked(b"x").is_err()
        );
        assert!(
            asked(b"<D:propfind xmlns:D=\"DAV:\"><D:prop><bar:foo xmlns:bar=\"\"/></D:prop></D:propfind>").is_err()
        );
    }

    #[test]
    fn what_is_there_and_what_is_not_are_told_apart() {
        let own =
            Property { namespace: "u:v".into(), name: "own".into(), xml: "<p:own xmlns:p=\"u:v\">1</p:own>".into() };
        let line = line(vec![own.clone()]);
        let names = ["getetag", "resourcetype", "displayname"].map(Name::usual);
        let own = Name { namespace: own.namespace, name: own.name };
        let text = line.told(&Ask::These([&names[..], &[own]].concat()));
        assert!(text.contains("<D:href>/b/a%26b/</D:href>"), "{text}");
        let found = "<D:prop><D:resourcetype><D:collection/></D:resourcetype><D:displayname>a&amp;b</D:displayname>\
                     <p:own xmlns:p=\"u:v\">1</p:own></D:prop><D:status>HTTP/1.1 200 OK";
        assert!(text.contains(found), "{text}");
        assert!(text.contains("<D:prop><D:getetag/></D:prop><D:status>HTTP/1.1 404"), "{text}");
        assert!(line.told(&Ask::Names).contains("<p:own xmlns:p=\"u:v\"></p:own>"));
        assert!(!line.told(&Ask::All(Vec::new())).contains("404"));
        assert!(Element::parse(Cursor::new(format!("<D:x xmlns:D=\"DAV:\">{text}</D:x>"))).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), inside in "[<>/a-zD:= \"'&;!x]{0,60}") {
            let _ = asked(&bytes);
            let _ = asked(format!("<D:propfind xmlns:D=\"DAV:\">{inside}</D:propfind>").as_bytes());
        }
    }

    #[test]
    fn dates_are_told_and_read() {
        let at = Stamp(784_111_777_000);
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(of_http_date(&http_date(at)), Some(784_111_777));
        assert_eq!(of_http_date("yesterday"), None);
    }
}
