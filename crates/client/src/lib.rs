//! A member's side: upload, download, index, submit, follow.
