//! What a question becomes: one clause for each of its words, all of which must be found.

use tantivy::Term;
use tantivy::query::{BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, FuzzyTermQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

use crate::text::{self, Kind, Stems};
use crate::{Fields, QUERY_MAX, UNITS_MAX};

/// How exactly the words of a question are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As they stand; the last one may be the beginning of a word.
    Exact,
    /// Mistyped, perhaps: a letter or two too few, too many or wrong, or a character that sounds alike.
    Lenient,
    /// While somebody types: names only, and lenient.
    Typing,
}

/// Words this long may have one letter wrong.
const ONE_WRONG_FROM: usize = 4;
/// Words this long may have two letters wrong.
const TWO_WRONG_FROM: usize = 8;

type Clause = Box<dyn Query>;

fn term(field: Field, text: &str) -> Clause {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs))
}

fn boosted(clause: Clause, boost: f32) -> Clause {
    Box::new(BoostQuery::new(clause, boost))
}

fn constant(clause: Clause, score: f32) -> Clause {
    Box::new(ConstScoreQuery::new(clause, score))
}

fn all(clauses: Vec<Clause>) -> Clause {
    Box::new(BooleanQuery::intersection(clauses))
}

/// The best of several ways to find a word.
fn best(clauses: Vec<Clause>) -> Clause {
    Box::new(DisjunctionMaxQuery::with_tie_breaker(clauses, 0.1))
}

fn beginning(field: Field, text: &str, wrong: u8) -> Clause {
    Box::new(FuzzyTermQuery::new_prefix(Term::from_field_text(field, text), wrong, true))
}

fn alike(field: Field, text: &str, wrong: u8) -> Clause {
    Box::new(FuzzyTermQuery::new(Term::from_field_text(field, text), wrong, true))
}

fn wrong_letters(word: &str) -> u8 {
    match word.chars().count() {
        0..ONE_WRONG_FROM => 0,
        ONE_WRONG_FROM..TWO_WRONG_FROM => 1,
        _ => 2,
    }
}

/// What finds the answers to `question`; none when it has no word.
pub(crate) fn query(fields: &Fields, question: &str, manner: Manner) -> Option<Clause> {
    let folded = text::fold(&question.chars().take(QUERY_MAX).collect::<String>());
    let (mut clauses, mut stems) = (Vec::new(), Stems::default());
    let runs = text::runs(&folded);
    let last = runs.len().saturating_sub(1);
    for (at, (kind, range)) in runs.into_iter().enumerate() {
        let run = &folded[range];
        match kind {
            Kind::Han if manner == Manner::Typing => clauses.push(typed_han(fields, run)),
            Kind::Han => {
                let mut ways = vec![all(text::ask_words(run).into_iter().take(UNITS_MAX).map(|word| han(fields, word)).collect())];
                if manner == Manner::Lenient {
                    ways.extend(homophones(fields, run));
                }
                clauses.push(best(ways));
            }
            Kind::Word if manner == Manner::Typing => clauses.push(typed_word(fields, run)),
            Kind::Word => clauses.push(word(fields, run, &stems.of(run), at == last, manner)),
        }
        if clauses.len() == UNITS_MAX {
            break;
        }
    }
    match clauses.len() {
        0 => None,
        1 => clauses.pop(),
        _ => Some(all(clauses)),
    }
}

/// A Chinese word: as the dictionary knows it, or all its characters side by side.
fn han(fields: &Fields, word: &str) -> Clause {
    let single = word.chars().nth(1).is_none();
    let pairs = |field| -> Clause {
        let mut pairs: Vec<Clause> = text::pairs(word).iter().map(|pair| term(field, pair)).collect();
        if pairs.len() == 1 { pairs.pop().unwrap_or_else(|| Box::new(EmptyQuery)) } else { all(pairs) }
    };
    let mut ways = vec![boosted(pairs(fields.name_pairs), 3.0), pairs(fields.body_pairs)];
    if !single {
        ways.extend([boosted(term(fields.name, word), 5.0), boosted(term(fields.body, word), 2.0), term(fields.rest, word)]);
    }
    best(ways)
}

/// Another way to write what sounds the same, or, where it is long, nearly the same.
fn homophones(fields: &Fields, run: &str) -> Option<Clause> {
    let reading = text::reading(run);
    let wrong = u8::from(reading.len() >= TWO_WRONG_FROM);
    (run.chars().nth(1).is_some() && !reading.is_empty()).then(|| constant(beginning(fields.sound, &reading, wrong), 1.0))
}

fn word(fields: &Fields, word: &str, stem: &str, is_last: bool, manner: Manner) -> Clause {
    let mut ways = vec![
        boosted(term(fields.name, stem), 5.0),
        boosted(term(fields.body, stem), 2.0),
        term(fields.rest, stem),
        constant(term(fields.plain, word), 6.0),
    ];
    if is_last && word.len() > 1 {
        ways.push(constant(beginning(fields.plain, word, 0), 3.0));
    }
    if text::is_pinyin(word) {
        ways.push(constant(beginning(fields.sound, word, 0), 3.0));
    }
    if word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase()) {
        ways.push(constant(beginning(fields.initials, word, 0), 2.0));
    }
    let wrong = wrong_letters(word);
    if manner == Manner::Lenient && wrong > 0 {
        ways.extend([
            constant(alike(fields.plain, word, wrong), 2.0),
            constant(alike(fields.name, stem, wrong), 1.0),
            constant(alike(fields.body, stem, 1), 0.5),
            constant(beginning(fields.sound, word, 1), 0.5),
        ]);
    }
    best(ways)
}

fn typed_han(fields: &Fields, run: &str) -> Clause {
    let pairs = all(text::pairs(run).iter().map(|pair| term(fields.name_pairs, pair)).collect());
    let mut ways = vec![constant(pairs, 4.0)];
    ways.extend(homophones(fields, run));
    best(ways)
}

fn typed_word(fields: &Fields, word: &str) -> Clause {
    let mut ways = vec![constant(beginning(fields.plain, word, 0), 4.0)];
    if word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase()) {
        ways.extend([constant(beginning(fields.sound, word, 0), 3.0), constant(beginning(fields.initials, word, 0), 3.0)]);
    }
    let wrong = wrong_letters(word);
    if wrong > 0 {
        ways.extend([constant(beginning(fields.plain, word, wrong.min(1)), 2.0), constant(alike(fields.plain, word, wrong), 2.0)]);
        if word.is_ascii() {
            ways.push(constant(beginning(fields.sound, word, 1), 1.0));
        }
    }
    best(ways)
}
