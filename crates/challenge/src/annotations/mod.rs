//! Annotations of images by several raters: what they say, how far they agree, and what is likely true.
//!
//! | module | what |
//! |---|---|
//! | [`schema`] | which characteristics there are, and what values they take |
//! | [`import`] | long and wide tables |
//! | [`cohen`], [`fleiss`], [`krippendorff`] | agreement |
//! | [`votes`] | one characteristic's labels, and majority votes |
//! | [`dawid_skene`], [`glad`] | labels and raters' abilities by maximum likelihood and maximum a posteriori |

pub mod cohen;
pub mod dawid_skene;
pub mod fleiss;
pub mod glad;
pub mod import;
pub mod krippendorff;
pub mod schema;
pub mod votes;
