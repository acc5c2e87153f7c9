//! Which parts of a text a question has found.

use std::ops::Range;

use crate::text::{self, Kind, Stems};
use crate::{QUERY_MAX, UNITS_MAX};

/// A part of a text. Whoever shows it escapes it like any text of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What stands there.
    pub text: String,
    /// Whether the question has found it.
    pub is_found: bool,
}

/// Finds the words of one question in texts.
#[derive(Debug)]
pub struct Marker {
    /// Words of the question in Chinese.
    han: Vec<String>,
    /// Other words, as they were written and their stems; and whether they may be the sound of Chinese.
    words: Vec<(String, String, bool)>,
    stems: Stems,
}

impl Marker {
    /// Finds the words of `question`.
    #[must_use]
    pub fn new(question: &str) -> Self {
        let folded = text::fold(&question.chars().take(QUERY_MAX).collect::<String>());
        let (mut han, mut words, mut stems) = (Vec::new(), Vec::new(), Stems::default());
        for (kind, range) in text::runs(&folded).into_iter().take(UNITS_MAX) {
            let run = &folded[range];
            match kind {
                Kind::Han => {
                    han.push(run.to_owned());
                    han.extend(text::ask_words(run).into_iter().filter(|word| word.chars().nth(1).is_some()).map(str::to_owned));
                }
                Kind::Word => {
                    let sounds = run.len() >= 2 && run.bytes().all(|b| b.is_ascii_lowercase());
                    words.push((run.to_owned(), stems.of(run), sounds));
                }
            }
        }
        Self { han, words, stems }
    }

    /// The text in parts, in their order; together they are the text.
    pub fn mark(&mut self, text: &str) -> Vec<Piece> {
        let mut found = Vec::new();
        for (kind, range) in text::runs(text) {
            match kind {
                Kind::Han => self.han_in(text, range, &mut found),
                Kind::Word => {
                    let word = text::fold(&text[range.clone()]);
                    let stem = self.stems.of(&word);
                    if self.words.iter().any(|(wanted, wanted_stem, _)| word.starts_with(wanted.as_str()) || stem == *wanted_stem) {
                        found.push(range);
                    }
                }
            }
        }
        pieces(text, found)
    }

    fn han_in(&self, text: &str, run: Range<usize>, found: &mut Vec<Range<usize>>) {
        let inside = &text[run.clone()];
        for word in &self.han {
            found.extend(inside.match_indices(word.as_str()).map(|(at, word)| run.start + at..run.start + at + word.len()));
        }
        let chars: Vec<(usize, char)> = inside.char_indices().collect();
        for (word, _, _) in self.words.iter().filter(|(_, _, sounds)| *sounds) {
            for from in 0..chars.len() {
                if let Some(count) = sounds_like(&chars[from..], word, false).or_else(|| sounds_like(&chars[from..], word, true)) {
                    let end = chars.get(from + count).map_or(inside.len(), |(at, _)| *at);
                    found.push(run.start + chars[from].0..run.start + end);
                }
            }
        }
    }
}

/// How many of the characters, from the first on, are read as exactly `word`.
fn sounds_like(chars: &[(usize, char)], word: &str, initials: bool) -> Option<usize> {
    let (&(_, first), rest) = chars.split_first()?;
    text::first_sounds(first).into_iter().find_map(|sound| {
        let sound = if initials { sound.get(..1)? } else { sound.as_str() };
        let left = word.strip_prefix(sound)?;
        if left.is_empty() { Some(1) } else { sounds_like(rest, left, initials).map(|more| more + 1) }
    })
}

fn pieces(text: &str, mut found: Vec<Range<usize>>) -> Vec<Piece> {
    found.sort_by_key(|range| (range.start, range.end));
    let (mut pieces, mut at): (Vec<Piece>, usize) = (Vec::new(), 0);
    let mut push = |text: &str, is_found: bool| match pieces.last_mut() {
        Some(last) if last.is_found == is_found => last.text.push_str(text),
        _ if text.is_empty() => {}
        _ => pieces.push(Piece { text: text.to_owned(), is_found }),
    };
    for range in found {
        if range.start > at {
            push(&text[at..range.start], false);
        }
        if range.end > at {
            push(&text[range.start.max(at)..range.end], true);
            at = range.end;
        }
    }
    push(&text[at..], false);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(question: &str, text: &str) -> String {
        let shown = |piece: &Piece| if piece.is_found { format!("[{}]", piece.text) } else { piece.text.clone() };
        Marker::new(question).mark(text).iter().map(shown).collect()
    }

    #[test]
    fn what_was_found_is_marked_and_nothing_is_lost() {
        for (question, text, expected) in [
            ("视频会议", "云上视频会议 Pro", "云上[视频会议] Pro"),
            ("会议 pro", "云上视频会议 Pro", "云上视频[会议] [Pro]"),
            ("meetings", "One meeting, <b>many</b> Meetings", "One [meeting], <b>many</b> [Meetings]"),
            ("xietong", "云简协同办公", "云简[协同]办公"),
            ("xtbg", "云简协同办公", "云简[协同办公]"),
            ("mes", "MeshSim", "[MeshSim]"),
            ("", "nothing", "nothing"),
            ("没有", "", ""),
        ] {
            assert_eq!(marked(question, text), expected, "{question}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_the_text(question in ".{0,20}", text in ".{0,60}") {
            let pieces = Marker::new(&question).mark(&text);
            proptest::prop_assert_eq!(pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(), text);
        }
    }
}
