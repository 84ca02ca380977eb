//! Families and links by the names that people type.

use crate::settings::{Family, Link, ZeroPart};
use thiserror::Error;

/// A family as it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyName {
    /// The family.
    pub family: Family,
    /// The link in parentheses, as in `binomial(probit)`.
    pub link: Option<Link>,
    /// Hurdle for `truncated_…` and `hurdle_…`, inflated for `zero_inflated_…` and `zi…`; none where the name says nothing.
    pub zero: ZeroPart,
}

/// A name that is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Of a family.
    #[error(
        "there is no family \"{name}\"; accepted are gaussian, binomial, poisson, nbinom1, nbinom2, Gamma, beta, \
         betabinomial, ordinal, and truncated_poisson and its like for hurdle models"
    )]
    Family {
        /// The name.
        name: String,
    },
    /// Of a link.
    #[error(
        "there is no link \"{name}\"; accepted are identity, log, logit, probit, cloglog, cauchit, inverse and sqrt"
    )]
    Link {
        /// The name.
        name: String,
    },
}

/// Reads a family's name: in any case, with or without `_`, with the link in parentheses or not.
pub fn parse_family(text: &str) -> Result<FamilyName, NameError> {
    let refusal = || NameError::Family { name: text.to_owned() };
    let (name, link) = match text.trim().split_once('(') {
        None => (text.trim(), None),
        Some((name, rest)) => {
            let inside = rest.trim_end().strip_suffix(')').ok_or_else(refusal)?;
            let inside =
                inside.trim().strip_prefix("link").map_or(inside, |rest| rest.trim_start().trim_start_matches('='));
            let inside = inside.trim().trim_matches(['"', '\'']);
            (name, if inside.is_empty() { None } else { Some(parse_link(inside)?) })
        }
    };
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let prefixes = [
        ("truncated", ZeroPart::Hurdle),
        ("hurdle", ZeroPart::Hurdle),
        ("zeroinflated", ZeroPart::Inflated),
        ("zi", ZeroPart::Inflated),
    ];
    let (rest, zero) = prefixes
        .iter()
        .find_map(|(prefix, zero)| Some((plain.strip_prefix(prefix)?, *zero)))
        .unwrap_or((plain.as_str(), ZeroPart::None));
    let family = match rest {
        "gaussian" | "normal" => Family::Gaussian,
        "binomial" | "bernoulli" => Family::Binomial,
        "poisson" => Family::Poisson,
        "nbinom1" | "nb1" | "negbin1" | "negativebinomial1" => Family::NegativeBinomial1,
        "nbinom2" | "nb2" | "negbin2" | "negativebinomial2" | "nbinom" | "nb" | "negbin" | "negativebinomial" => {
            Family::NegativeBinomial2
        }
        "gamma" => Family::Gamma,
        "beta" | "betafamily" => Family::Beta,
        "betabinomial" => Family::BetaBinomial,
        "ordinal" | "cumulative" | "clm" | "clmm" => Family::Ordinal,
        _ => return Err(refusal()),
    };
    Ok(FamilyName { family, link, zero })
}

/// Reads a link's name, in any case.
pub fn parse_link(text: &str) -> Result<Link, NameError> {
    let links =
        [Link::Identity, Link::Log, Link::Logit, Link::Probit, Link::Cloglog, Link::Cauchit, Link::Inverse, Link::Sqrt];
    let name = text.trim().to_ascii_lowercase();
    let found = links.into_iter().find(|link| link.name() == name);
    found.ok_or_else(|| NameError::Link { name: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_by_the_names_people_use() {
        let family = |text: &str| parse_family(text).map(|f| (f.family, f.link, f.zero));
        for (text, expected) in [
            ("gaussian", (Family::Gaussian, None, ZeroPart::None)),
            ("Binomial(probit)", (Family::Binomial, Some(Link::Probit), ZeroPart::None)),
            ("binomial(link = \"cloglog\")", (Family::Binomial, Some(Link::Cloglog), ZeroPart::None)),
            ("binomial()", (Family::Binomial, None, ZeroPart::None)),
            ("nb", (Family::NegativeBinomial2, None, ZeroPart::None)),
            ("negative_binomial", (Family::NegativeBinomial2, None, ZeroPart::None)),
            ("truncated_nbinom1", (Family::NegativeBinomial1, None, ZeroPart::Hurdle)),
            ("zero-inflated Poisson", (Family::Poisson, None, ZeroPart::Inflated)),
            ("GAMMA(log)", (Family::Gamma, Some(Link::Log), ZeroPart::None)),
            ("ziGamma", (Family::Gamma, None, ZeroPart::Inflated)),
            ("beta_family", (Family::Beta, None, ZeroPart::None)),
            ("clmm", (Family::Ordinal, None, ZeroPart::None)),
        ] {
            assert_eq!(family(text), Ok(expected), "{text}");
        }
        assert!(parse_family("weibull").unwrap_err().to_string().starts_with("there is no family \"weibull\""));
        assert!(parse_family("binomial(probit").is_err() && parse_family("").is_err());
        assert!(parse_family("binomial(lgit)").unwrap_err().to_string().starts_with("there is no link \"lgit\""));
    }
}
