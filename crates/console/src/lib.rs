//! The pages both faces share, and every text in every language: view models in, HTML and words out, no IO.
//!
//! (A) Every sentence a person meets stands in `texts/en.ftl` and `texts/zh-Hans.ftl` under the same key with the same
//! variables. (B) Pages ask nobody but their own origin and hold no inline script or style. (C) Everything foreign is
//! escaped, control and direction characters shown.

pub mod assets;
pub mod fleet;
pub mod text;

/// Security headers of every page (`docs/design/interfaces.md` §9).
pub const fn headers() -> &'static [(&'static str, &'static str)] {
    &[
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ]
}
