//! The texts of the doors and the pages in both languages, from `locales/*/codes.ftl` and the files of pages beside it.
//!
//! A message is named by its key: the key of a [`Code`] (its value is the title, its attribute `detail` what to do), `rule-…` for the rules
//! that fields break, `unreadable-…` for what cannot be read, `state-…`, `reason-…` and `verdict-…` for words of the program. Invariant, held by a test: both languages have every message, and no message uses a value that its code does not give.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use kernel::{Code, Locale};
use unic_langid::LanguageIdentifier;
use wire::koogallery_v2::ResultCode;

const ENGLISH: &str = include_str!("../locales/en/codes.ftl");
const CHINESE: &str = include_str!("../locales/zh-CN/codes.ftl");
/// The texts of pages, a file a place.
macro_rules! pages {
    ($language:literal) => {
        [
            include_str!(concat!("../locales/", $language, "/pages.ftl")),
            include_str!(concat!("../locales/", $language, "/account.ftl")),
            include_str!(concat!("../locales/", $language, "/buyer.ftl")),
            include_str!(concat!("../locales/", $language, "/mail.ftl")),
            include_str!(concat!("../locales/", $language, "/operator.ftl")),
            include_str!(concat!("../locales/", $language, "/seller.ftl")),
            include_str!(concat!("../locales/", $language, "/storefront.ftl")),
        ]
    };
}
const ENGLISH_PAGES: [&str; 7] = pages!("en");
const CHINESE_PAGES: [&str; 7] = pages!("zh-CN");

static BUNDLES: LazyLock<[FluentBundle<FluentResource>; 2]> =
    LazyLock::new(|| [bundle("en", ENGLISH, &ENGLISH_PAGES), bundle("zh-CN", CHINESE, &CHINESE_PAGES)]);

/// A bundle of texts that are part of the program; what cannot be read in it is left out, and the tests hold it readable.
fn bundle(language: &str, codes: &str, pages: &[&str]) -> FluentBundle<FluentResource> {
    let language: LanguageIdentifier = language.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // The values are put between words of the same sentence; marks around them would show as boxes in terminals.
    bundle.set_use_isolating(false);
    for source in std::iter::once(&codes).chain(pages) {
        bundle.add_resource_overriding(FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(readable, _)| readable));
    }
    bundle
}

/// Whether a text is there, whatever values it needs.
#[cfg(test)]
pub(crate) fn is_there(locale: Locale, key: &str) -> bool {
    of(locale).has_message(key)
}

fn of(locale: Locale) -> &'static FluentBundle<FluentResource> {
    match locale {
        Locale::En => &BUNDLES[0],
        Locale::ZhCn => &BUNDLES[1],
    }
}

/// The message `key`, or its attribute; none when there is no such message or a value that it needs is missing.
fn text<'a>(locale: Locale, key: &str, attribute: Option<&str>, args: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let bundle = of(locale);
    let message = bundle.get_message(key)?;
    let pattern = match attribute {
        None => message.value()?,
        Some(name) => message.get_attribute(name)?.value(),
    };
    let args: FluentArgs = args.collect();
    let mut missing = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&args), &mut missing).into_owned();
    missing.is_empty().then_some(text)
}

/// What a refusal is, in a few words.
#[must_use]
pub fn title(locale: Locale, code: Code) -> String {
    text(locale, code.key(), None, std::iter::empty()).unwrap_or_else(|| code.key().to_owned())
}

/// What happened and what to do about it; none when a value that the text needs was not given.
#[must_use]
pub fn detail(locale: Locale, code: Code, args: &[(&'static str, String)]) -> Option<String> {
    text(locale, code.key(), Some("detail"), args.iter().map(|(name, value)| (*name, value.as_str())))
}

/// What a field must be like, from a rule such as `length:2-60`; the rule itself when no text explains it.
#[must_use]
pub fn rule(locale: Locale, rule: &str) -> String {
    let (name, bounds) = rule.split_once(':').unwrap_or((rule, ""));
    let (min, max) = bounds.split_once('-').unwrap_or((bounds, bounds));
    let args = [("min", min), ("max", max)].into_iter().filter(|(_, value)| !value.is_empty());
    text(locale, &format!("rule-{name}"), None, args).unwrap_or_else(|| rule.to_owned())
}

/// A word of the program, such as the state `in_use`, in the reader's language; itself when no text names it. Messages are named by the kind of
/// word (`state`, `reason`, `verdict`) and the word.
#[must_use]
pub fn word(locale: Locale, kind: &str, word: &str) -> String {
    text(locale, &format!("{kind}-{word}"), None, std::iter::empty()).unwrap_or_else(|| word.to_owned())
}

/// Every word of a kind that has a text.
pub(crate) fn words_of(kind: &'static str) -> impl Iterator<Item = &'static str> {
    ENGLISH.lines().filter_map(move |line| line.split_once(" =")?.0.strip_prefix(kind)?.strip_prefix('-'))
}

/// A part of other messages, put together from `args`; its key when there is no such message, or a value is missing.
#[must_use]
pub(crate) fn part(locale: Locale, key: &str, args: &[(&'static str, String)]) -> String {
    text(locale, key, None, args.iter().map(|(name, value)| (*name, value.as_str()))).unwrap_or_else(|| key.to_owned())
}

/// What a seller's server said, by the published table of codes.
#[must_use]
pub fn result_code(locale: Locale, code: &ResultCode) -> String {
    let meaning = match locale {
        Locale::En => code.meaning_en(),
        Locale::ZhCn => code.meaning_zh(),
    };
    format!("{code} {meaning}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

    use super::*;

    /// The values that each message uses, by `key` and `key.attribute`.
    fn values_used(source: &str) -> BTreeMap<String, BTreeSet<String>> {
        let resource = fluent_syntax::parser::parse(source).unwrap_or_else(|(_, errors)| panic!("{errors:?}"));
        let mut used = BTreeMap::new();
        for entry in &resource.body {
            let Entry::Message(message) = entry else { continue };
            let fresh = used.insert(message.id.name.to_owned(), values(message.value.as_ref().unwrap())).is_none();
            assert!(fresh, "{} is there twice", message.id.name);
            for attribute in &message.attributes {
                used.insert(format!("{}.{}", message.id.name, attribute.id.name), values(&attribute.value));
            }
        }
        used
    }

    fn values(pattern: &Pattern<&str>) -> BTreeSet<String> {
        let elements = pattern.elements.iter();
        elements
            .filter_map(|element| match element {
                PatternElement::Placeable { expression: Expression::Inline(InlineExpression::VariableReference { id }) } => {
                    Some(id.name.to_owned())
                }
                PatternElement::Placeable { expression } => panic!("keep messages plain: {expression:?}"),
                PatternElement::TextElement { .. } => None,
            })
            .collect()
    }

    /// The values that the documentation of each code promises: the words in backticks above its key.
    fn values_promised() -> BTreeMap<String, BTreeSet<String>> {
        let source = include_str!("../../kernel/src/code.rs");
        let (mut promised, mut names) = (BTreeMap::new(), BTreeSet::new());
        for line in source.lines().map(str::trim) {
            if let Some(comment) = line.strip_prefix("///") {
                let words = comment.split('`').skip(1).step_by(2);
                names.extend(words.filter(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).map(str::to_owned));
            } else if let Some(key) = line.split('"').nth(1).filter(|_| line.ends_with(',')) {
                promised.insert(key.to_owned(), std::mem::take(&mut names));
            } else {
                names.clear();
            }
        }
        promised
    }

    /// Whether a message is a part of others, and no code's.
    fn is_part(key: &str) -> bool {
        ["rule-", "state-", "reason-", "verdict-", "unreadable-"].iter().any(|kind| key.starts_with(kind))
    }

    #[test]
    fn both_languages_have_every_code_and_nothing_else() {
        let (english, chinese) = (values_used(ENGLISH), values_used(CHINESE));
        let keys = |of: &BTreeMap<String, BTreeSet<String>>| -> BTreeSet<String> { of.keys().cloned().collect() };
        assert_eq!(keys(&english), keys(&chinese));
        let wanted: BTreeSet<String> =
            Code::ALL.iter().flat_map(|code| [code.key().to_owned(), format!("{}.detail", code.key())]).collect();
        let found: BTreeSet<String> = keys(&english).into_iter().filter(|key| !is_part(key)).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_text_uses_only_what_its_code_gives() {
        let promised = values_promised();
        for (language, source) in [("en", ENGLISH), ("zh-CN", CHINESE)] {
            for (key, used) in values_used(source) {
                let allowed = match is_part(&key) {
                    true if key.starts_with("unreadable-") => {
                        ["path", "what", "name", "given", "choices", "wanted", "line", "column"].map(str::to_owned).into()
                    }
                    true => ["min".to_owned(), "max".to_owned()].into(),
                    false => match key.split_once('.') {
                        Some((code, _)) => promised[code].clone(),
                        // A title is shown alone, in lists and mails; it needs nothing.
                        None => BTreeSet::new(),
                    },
                };
                assert!(used.is_subset(&allowed), "{language} {key} uses {used:?}, but has {allowed:?}");
            }
        }
    }

    /// Every rule that the business names for a field has a text.
    #[test]
    fn every_rule_in_the_code_has_a_text() {
        let market = Path::new(env!("CARGO_MANIFEST_DIR")).join("../market/src");
        let mut rules = BTreeSet::new();
        for file in rust_files(&market).into_iter().chain(rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"))) {
            let source = std::fs::read_to_string(&file).unwrap();
            for call in source.split("Refusal::field(").chain(source.split("invalid(")).skip(1) {
                let call = call.split([';', '}', '\n']).next().unwrap_or("").split(".with(").next().unwrap_or("");
                let literals: Vec<&str> = call.split('"').skip(1).step_by(2).collect();
                rules.extend(literals.get(1).map(|rule| (*rule).split(':').next().unwrap_or("").to_owned()));
            }
        }
        assert!(rules.contains("length") && rules.contains("required"), "{rules:?}");
        let known = values_used(ENGLISH);
        let unknown: Vec<_> = rules.iter().filter(|rule| !known.contains_key(&format!("rule-{rule}"))).collect();
        assert!(unknown.is_empty(), "these rules of fields have no text: {unknown:?}");
    }

    fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
            .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
            .collect()
    }

    #[test]
    fn a_refusal_reads_like_a_sentence_in_both_languages() {
        let args = [("balance", "12.00 CNY".to_owned()), ("needed", "30.00 CNY".to_owned())];
        let english = detail(Locale::En, Code::BalanceTooLow, &args).unwrap();
        let chinese = detail(Locale::ZhCn, Code::BalanceTooLow, &args).unwrap();
        for text in [&english, &chinese] {
            assert!(text.contains("12.00 CNY") && text.contains("30.00 CNY"), "{text}");
        }
        assert_eq!(detail(Locale::En, Code::BalanceTooLow, &[]), None, "a sentence with holes is not shown");
        assert_eq!(rule(Locale::En, "length:2-60"), "must have 2 to 60 characters");
        assert_eq!(rule(Locale::ZhCn, "length:2-60"), "长度须为 2 至 60 个字符");
        assert_eq!(rule(Locale::En, "unheard-of"), "unheard-of");
    }
}
