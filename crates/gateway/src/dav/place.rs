//! Where a request points: the member's buckets, one of them, or a name in one.
//!
//! (A) A path that does not say plainly where it points is refused: nothing is resolved, nothing decoded twice. (B) What jobs keep
//! for themselves is nowhere.

use super::error::Fault;
use super::limits::DEPTH_MAX;
use crate::keys::Scope;
use hyper::StatusCode;
use model::errors;

/// Longest name, in bytes, as `client` seals them.
const NAME_BYTES_MAX: usize = 1_024;
/// Names of the program's own begin so.
const OWN: &str = ".pumasi";

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Above all buckets.
    Root,
    /// A bucket.
    Bucket(String),
    /// A name in a bucket, without `/` at its end.
    Name {
        /// The bucket.
        bucket: String,
        /// The name.
        name: String,
    },
}

impl Place {
    /// Of a path as it came in a request, still encoded.
    ///
    /// # Errors
    /// 400 and 403 with E0310.
    pub fn parse(path: &str) -> Result<Self, Fault> {
        let bad = |why: &str| Fault::new(StatusCode::BAD_REQUEST, errors::BAD_NAME, why);
        let rest = path.strip_prefix('/').ok_or_else(|| bad("a path begins with /"))?;
        if rest.is_empty() {
            return Ok(Self::Root);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut parts = Vec::new();
        for part in rest.split('/') {
            let part = crate::sign::decode(part).ok_or_else(|| bad("a path is UTF-8, percent-encoded"))?;
            if !is_part(&part) {
                return Err(bad("a part of a path is empty, . or .., or has a / or a control character in it"));
            }
            parts.push(part);
        }
        Self::of(parts)
    }

    /// Of a path that was decoded already.
    pub fn of_plain(path: &[u8]) -> Result<Self, Fault> {
        let bad = || Fault::new(StatusCode::BAD_REQUEST, errors::BAD_NAME, "a path is UTF-8");
        let text = std::str::from_utf8(path).map_err(|_| bad())?;
        let parts: Vec<String> = text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if !parts.iter().all(|part| is_part(part)) {
            return Err(bad());
        }
        if parts.is_empty() { Ok(Self::Root) } else { Self::of(parts) }
    }

    fn of(mut parts: Vec<String>) -> Result<Self, Fault> {
        if parts.len() > DEPTH_MAX {
            let why = format!("a path has at most {DEPTH_MAX} levels");
            return Err(Fault::new(StatusCode::URI_TOO_LONG, errors::BAD_NAME, why));
        }
        let bucket = parts.remove(0);
        if parts.is_empty() {
            return Ok(Self::Bucket(bucket));
        }
        if parts[0] == OWN {
            return Err(Fault::new(StatusCode::FORBIDDEN, errors::BAD_NAME, "these names are the program's own"));
        }
        let name = parts.join("/");
        if name.len() >= NAME_BYTES_MAX {
            let why = format!("a name has at most {NAME_BYTES_MAX} bytes");
            return Err(Fault::new(StatusCode::URI_TOO_LONG, errors::BAD_NAME, why));
        }
        Ok(Self::Name { bucket, name })
    }

    /// Its bucket.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Root => None,
            Self::Bucket(bucket) | Self::Name { bucket, .. } => Some(bucket),
        }
    }

    /// Where it lies.
    pub fn parent(&self) -> Self {
        match self {
            Self::Root | Self::Bucket(_) => Self::Root,
            Self::Name { bucket, name } => match name.rsplit_once('/') {
                Some((above, _)) => Self::Name { bucket: bucket.clone(), name: above.to_owned() },
                None => Self::Bucket(bucket.clone()),
            },
        }
    }

    /// What lies in it under a name.
    pub fn child(&self, part: &str) -> Self {
        match self {
            Self::Root => Self::Bucket(part.to_owned()),
            Self::Bucket(bucket) => Self::Name { bucket: bucket.clone(), name: part.to_owned() },
            Self::Name { bucket, name } => Self::Name { bucket: bucket.clone(), name: format!("{name}/{part}") },
        }
    }

    /// How the names in it begin: nothing for a bucket, `name/` for a folder.
    pub fn inside(&self) -> String {
        match self {
            Self::Root | Self::Bucket(_) => String::new(),
            Self::Name { name, .. } => format!("{name}/"),
        }
    }

    /// The same place within another.
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = match (self, from) {
            (Self::Name { bucket, name }, Self::Name { bucket: other, name: above }) if bucket == other => {
                if name == above { "" } else { name.strip_prefix(above.as_str())?.strip_prefix('/')? }
            }
            (Self::Name { bucket, name }, Self::Bucket(other)) if bucket == other => name,
            (Self::Bucket(bucket), Self::Bucket(other)) if bucket == other => "",
            _ => return None,
        };
        let mut place = to.clone();
        for part in rest.split('/').filter(|part| !part.is_empty()) {
            place = place.child(part);
        }
        Some(place)
    }

    /// Its last part, as it is shown.
    pub fn shown(&self) -> &str {
        match self {
            Self::Root => "",
            Self::Bucket(bucket) => bucket,
            Self::Name { name, .. } => name.rsplit('/').next().unwrap_or(name),
        }
    }

    /// Its path, percent-encoded; one of a folder ends with `/`.
    pub fn href(&self, is_folder: bool) -> String {
        let path = match self {
            Self::Root => return "/".to_owned(),
            Self::Bucket(bucket) => format!("/{bucket}"),
            Self::Name { bucket, name } => format!("/{bucket}/{name}"),
        };
        let encoded = crate::sign::encode(&path, true);
        if is_folder { encoded + "/" } else { encoded }
    }

    /// Whether a key may look here: at what it has, and at the folders on the way there.
    pub fn is_seen(&self, scope: &Scope) -> bool {
        match self {
            Self::Root => true,
            Self::Bucket(bucket) => scope.has_bucket(bucket),
            Self::Name { bucket, name } => {
                let below = format!("{name}/");
                scope.has_bucket(bucket)
                    && (name.starts_with(&scope.prefix)
                        || below.starts_with(&scope.prefix)
                        || scope.prefix.starts_with(&below))
            }
        }
    }

    /// Whether a key has all that is here, and all that lies in it.
    pub fn is_had(&self, scope: &Scope, is_folder: bool) -> bool {
        match self {
            Self::Root => false,
            Self::Bucket(bucket) => scope.has_whole(bucket),
            Self::Name { bucket, name } if is_folder => scope.has_names(bucket, &format!("{name}/")),
            Self::Name { bucket, name } => scope.has_names(bucket, name),
        }
    }
}

/// A part of a path that means itself.
pub(crate) fn is_part(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.contains('/') && !part.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(bucket: &str, name: &str) -> Place {
        Place::Name { bucket: bucket.into(), name: name.into() }
    }

    #[test]
    fn a_path_points_where_it_says_or_nowhere() {
        let good = [("/", Place::Root), ("/b", Place::Bucket("b".into())), ("/b/", Place::Bucket("b".into()))];
        for (path, place) in good {
            assert_eq!(Place::parse(path).ok(), Some(place), "{path}");
        }
        assert_eq!(Place::parse("/b/a%20b/%E4%B8%AD/").ok(), Some(name("b", "a b/中")));
        assert_eq!(Place::parse("/b/%2541").ok(), Some(name("b", "%41")), "decoded once");
        for bad in [
            "",
            "b",
            "//",
            "/b//c",
            "/b/../c",
            "/b/%2e%2e/c",
            "/b/.%2E",
            "/b/.",
            "/b/a%2fb",
            "/b/..%2f..%2fetc",
            "/%2e%2e/",
            "/b/a%00",
            "/b/a%0a",
            "/b/%",
            "/b/%4",
            "/b/%zz",
            "/b/%ff",
            "/b/.pumasi",
            "/b/.pumasi/jobs/x",
            "/b/%2Epumasi/x",
        ] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
        assert!(Place::parse(&format!("/b/{}", "x".repeat(NAME_BYTES_MAX))).is_err());
        assert!(Place::parse(&format!("/b{}", "/x".repeat(DEPTH_MAX + 1))).is_err());
    }

    #[test]
    fn a_key_sees_the_way_to_what_it_has_and_has_no_more() {
        let scope = Scope::of("b", false).map(|scope| Scope { prefix: "x/y/".into(), ..scope }).unwrap();
        for (place, seen, had) in [
            (Place::Root, true, false),
            (Place::Bucket("b".into()), true, false),
            (Place::Bucket("c".into()), false, false),
            (name("b", "x"), true, false),
            (name("b", "x/y"), true, true),
            (name("b", "x/y/z"), true, true),
            (name("b", "x/yz"), false, false),
            (name("b", "z"), false, false),
            (name("c", "x/y/z"), false, false),
        ] {
            assert_eq!((place.is_seen(&scope), place.is_had(&scope, true)), (seen, had), "{place:?}");
        }
        assert!(!name("b", "x/y").is_had(&scope, false), "an object of the folder's name is not in it");
    }

    #[test]
    fn a_place_moves_with_the_folder_it_is_in() {
        let (from, to) = (name("b", "x"), name("c", "y/z"));
        assert_eq!(name("b", "x/1/2").moved(&from, &to), Some(name("c", "y/z/1/2")));
        assert_eq!(name("b", "x").moved(&from, &to), Some(to.clone()));
        assert_eq!(name("b", "x1").moved(&from, &to), None);
        assert_eq!(name("b", "x").moved(&Place::Bucket("b".into()), &to), Some(name("c", "y/z/x")));
    }

    proptest! {
        #[test]
        fn any_path_is_judged_and_what_it_points_at_is_written_the_same(path in "/([a-z.%2/ ]|%[0-9a-f]{2}|é){0,12}") {
            if let Ok(place) = Place::parse(&path) {
                prop_assert_eq!(Place::parse(&place.href(true)).ok(), Some(place));
            }
        }
    }
}
