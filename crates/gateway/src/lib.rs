//! Foreign protocols over `client`: S3, WebDAV, mount. Arrives with its own issue; nothing is served yet.
