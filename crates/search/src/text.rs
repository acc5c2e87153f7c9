//! How texts become words: runs of Chinese characters are cut by a dictionary, everything else at what is no letter or digit.
//!
//! The dictionary takes about twenty megabytes, so it is loaded with the first Chinese text there is to cut.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use jieba_rs::Jieba;
use pinyin::{ToPinyin, ToPinyinMulti};
use tantivy::tokenizer::{Language, LowerCaser, SimpleTokenizer, Stemmer, TextAnalyzer};
use unicode_normalization::UnicodeNormalization;

/// The longest word that is indexed, characters; what is longer is cut.
const WORD_MAX: usize = 40;
/// The most syllables of a reading that is indexed from each character on.
const READING_MAX: usize = 8;
/// The most readings of one stretch, where characters have several.
const READINGS_MAX: usize = 4;

static DICTIONARY: LazyLock<Jieba> = LazyLock::new(Jieba::new);
/// Every syllable there is.
static SYLLABLES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| ('\u{4e00}'..='\u{9fff}').filter_map(|c| c.to_pinyin().map(pinyin::Pinyin::plain)).collect());

/// A stretch of a text that is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Chinese characters.
    Han,
    /// Letters and digits.
    Word,
}

const fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

fn kind(c: char) -> Option<Kind> {
    match c {
        c if is_han(c) => Some(Kind::Han),
        c if c.is_alphanumeric() => Some(Kind::Word),
        _ => None,
    }
}

/// The text as words are compared: full-width letters as narrow ones, all in lower case.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// The stretches of a text, with where they stand in it.
pub(crate) fn runs(text: &str) -> Vec<(Kind, Range<usize>)> {
    let mut found: Vec<(Kind, Range<usize>)> = Vec::new();
    for (at, c) in text.char_indices() {
        let Some(kind) = kind(c) else { continue };
        let end = at + c.len_utf8();
        match found.last_mut() {
            Some((last, range)) if *last == kind && range.end == at => range.end = end,
            _ => found.push((kind, at..end)),
        }
    }
    found
}

/// The words of a Chinese run for the index: those of the dictionary, and the shorter ones inside of them.
fn index_words(run: &str) -> Vec<&str> {
    DICTIONARY.cut_for_search(run, true).into_iter().map(|token| token.word).collect()
}

/// The words of a Chinese run of a question.
pub(crate) fn ask_words(run: &str) -> Vec<&str> {
    DICTIONARY.cut(run, true).into_iter().map(|token| token.word).collect()
}

/// Neighbouring characters, two by two; a character that stands alone by itself.
pub(crate) fn pairs(run: &str) -> Vec<String> {
    let chars: Vec<char> = run.chars().collect();
    match chars.as_slice() {
        [one] => vec![one.to_string()],
        several => several.windows(2).map(|pair| pair.iter().collect()).collect(),
    }
}

/// Cuts English words down to their stems.
#[derive(Clone)]
pub(crate) struct Stems(TextAnalyzer);

impl std::fmt::Debug for Stems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stems")
    }
}

impl Default for Stems {
    fn default() -> Self {
        let chain = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).filter(Stemmer::new(Language::English));
        Self(chain.build())
    }
}

impl Stems {
    /// The stem of a folded word.
    pub(crate) fn of(&mut self, word: &str) -> String {
        let mut stream = self.0.token_stream(word);
        if stream.advance() { std::mem::take(&mut stream.token_mut().text) } else { word.to_owned() }
    }
}

fn cut(word: &str) -> String {
    word.chars().take(WORD_MAX).collect()
}

/// What a text is indexed by.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// Words: of Chinese as the dictionary cuts it, of other languages their stems.
    pub(crate) words: Vec<String>,
    /// Words of other languages as they are written.
    pub(crate) plain: Vec<String>,
    /// Chinese characters, two by two and one by one.
    pub(crate) pairs: Vec<String>,
}

/// The words of a text.
pub(crate) fn words(text: &str, stems: &mut Stems) -> Words {
    let (folded, mut found) = (fold(text), Words::default());
    for (kind, range) in runs(&folded) {
        let run = &folded[range];
        match kind {
            Kind::Han => {
                found.words.extend(index_words(run).into_iter().map(str::to_owned));
                found.pairs.extend(pairs(run));
                found.pairs.extend(run.chars().map(String::from));
            }
            Kind::Word => {
                let word = cut(run);
                found.words.push(stems.of(&word));
                found.plain.push(word);
            }
        }
    }
    found
}

/// The sounds of a character, as they are typed.
fn sounds(c: char) -> Vec<String> {
    let several = c.to_pinyin_multi().into_iter().flatten().map(pinyin::Pinyin::plain);
    let mut found: Vec<String> = Vec::new();
    for sound in c.to_pinyin().map(pinyin::Pinyin::plain).into_iter().chain(several) {
        let typed = sound.replace('ü', "v");
        if !found.contains(&typed) {
            found.push(typed);
        }
    }
    found
}

/// How a Chinese run is read: every way from its first character on, up to [`READING_MAX`] syllables.
fn readings(chars: &[char], initials: bool) -> Vec<String> {
    let mut ways = vec![String::new()];
    for c in chars.iter().take(READING_MAX) {
        let mut sounds = sounds(*c);
        if initials {
            sounds.iter_mut().for_each(|sound| sound.truncate(1));
            sounds.dedup();
        }
        let longer: Vec<String> = ways.iter().flat_map(|way| sounds.iter().map(move |sound| format!("{way}{sound}"))).collect();
        if longer.is_empty() {
            break;
        }
        ways = longer;
        ways.truncate(READINGS_MAX);
    }
    ways.retain(|way| !way.is_empty());
    ways
}

/// What the Chinese of a text sounds like from each of its characters on: in full, and by first letters.
pub(crate) fn sound(text: &str) -> (Vec<String>, Vec<String>) {
    let (folded, mut full, mut initials) = (fold(text), Vec::new(), Vec::new());
    for (kind, range) in runs(&folded) {
        if kind == Kind::Han {
            let chars: Vec<char> = folded[range].chars().collect();
            for from in 0..chars.len() {
                full.extend(readings(&chars[from..], false));
                initials.extend(readings(&chars[from..], true));
            }
        }
    }
    (full, initials)
}

/// The first reading of a Chinese run.
pub(crate) fn reading(run: &str) -> String {
    let chars: Vec<char> = run.chars().collect();
    readings(&chars, false).into_iter().next().unwrap_or_default()
}

/// The first sound of a character, if it has one.
pub(crate) fn first_sounds(c: char) -> Vec<String> {
    sounds(c)
}

/// Whether a word can be read as whole syllables.
pub(crate) fn is_pinyin(word: &str) -> bool {
    const SYLLABLE_MAX: usize = 6;
    if !word.bytes().all(|b| b.is_ascii_lowercase()) || word.len() < 2 {
        return false;
    }
    let mut reached = vec![false; word.len() + 1];
    reached[0] = true;
    for end in 1..=word.len() {
        let starts = end.saturating_sub(SYLLABLE_MAX)..end;
        reached[end] = starts.into_iter().any(|start| {
            let syllable = &word[start..end];
            reached[start] && (SYLLABLES.contains(syllable) || SYLLABLES.contains(syllable.replace('v', "ü").as_str()))
        });
    }
    reached[word.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_words() {
        let found = words("云简协同办公套件 Meeting Rooms Ｖ2", &mut Stems::default());
        for word in ["协同", "办公", "套件", "meet", "room", "v2"] {
            assert!(found.words.iter().any(|one| one == word), "{word}: {:?}", found.words);
        }
        assert!(found.plain.iter().any(|one| one == "meeting") && found.pairs.iter().any(|one| one == "简协"), "{found:?}");
    }

    #[test]
    fn chinese_has_sounds_and_some_of_it_several() {
        let (full, initials) = sound("银行系统");
        for reading in ["yinhangxitong", "xitong", "yinxingxitong"] {
            assert!(full.iter().any(|one| one == reading), "{reading}: {full:?}");
        }
        assert!(initials.iter().any(|one| one == "yhxt") && initials.iter().any(|one| one == "xt"), "{initials:?}");
        for (word, yes) in [("xietong", true), ("mail", false), ("shipinhuiyi", true), ("x", false), ("crm", false), ("lvse", true)] {
            assert_eq!(is_pinyin(word), yes, "{word}");
        }
    }
}
