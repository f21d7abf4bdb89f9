//! Files that pages load from their own origin; part of the program.

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its bytes.
    pub bytes: &'static [u8],
    /// For the header of that name.
    pub content_type: &'static str,
}

/// The file of a path below `/assets/`.
pub fn find(path: &str) -> Option<Asset> {
    match path {
        "pumasi.css" => {
            Some(Asset { bytes: include_bytes!("../assets/pumasi.css"), content_type: "text/css; charset=utf-8" })
        }
        _ => None,
    }
}
