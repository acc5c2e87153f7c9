//! The index of what is on sale: full text in Chinese, English and pinyin, suggestions that forgive typing errors, and counts for filters.
//!
//! It lives in memory and is derived data: whoever holds it makes it from the catalogue and tells it what changed ([`Index::apply`]). It
//! answers with ids only, the best first; whether one may be shown is for the database to say, which is asked after it.
//!
//! Invariants: an answer comes from one state of the index, whatever is applied meanwhile. Every question is limited: [`QUERY_MAX`] characters,
//! [`UNITS_MAX`] words, [`TAKE_MAX`] answers. Nothing here reads a clock or a database.

mod ask;
mod facts;
mod mark;
mod text;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use kernel::ProductId;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::Query;
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{DocId, IndexReader, IndexWriter, ReloadPolicy, Score, Searcher, SegmentOrdinal, SegmentReader, TantivyDocument, Term};

pub use facts::{Bands, Facets, Facts, Filter, Sort};
pub use mark::{Marker, Piece};

use ask::Manner;
use facts::Hit;
use text::{Stems, Words};

/// The most characters of a question; more are not read. (spec: as for the lists of the catalogue)
pub const QUERY_MAX: usize = 100;
/// The most words of a question; more are not read. `[ours]`
pub const UNITS_MAX: usize = 12;
/// The most answers at once. `[ours]`
pub const TAKE_MAX: usize = 100;
/// The most characters of a description that are indexed. `[ours]`
pub const REST_MAX: usize = 4_000;
/// What the writer may hold before it writes a segment, bytes; the least that it takes.
const WRITER_BYTES: usize = 15_000_000;

/// Why the index cannot answer: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("the index of products failed")]
pub struct Fault(#[from] tantivy::TantivyError);

/// What is indexed of a product.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The product.
    pub id: ProductId,
    /// Its names, in whatever languages.
    pub names: Vec<String>,
    /// What is said of it in few words: overview, highlights, its seller, its categories.
    pub body: Vec<String>,
    /// What is said at length.
    pub rest: Vec<String>,
    /// What is counted and sorted by.
    pub facts: Facts,
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Words; nothing asks for everything.
    pub text: String,
    /// Which of the answers are wanted.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// How many of the first ones to leave out.
    pub skip: usize,
    /// How many are wanted, to [`TAKE_MAX`].
    pub take: usize,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The wanted part of it.
    pub ids: Vec<ProductId>,
    /// How much there is.
    pub total: usize,
    /// How much there would be for each choice.
    pub facets: Facets,
    /// Whether nothing had exactly these words, and these are what comes near.
    pub is_near: bool,
}

/// The fields of the index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Numbers the entries as they were put in.
    slot: Field,
    /// Words of names.
    name: Field,
    /// Words of names as they are written.
    plain: Field,
    /// Characters of names.
    name_pairs: Field,
    /// Words of short texts.
    body: Field,
    /// Characters of short texts.
    body_pairs: Field,
    /// Words of long texts.
    rest: Field,
    /// How names sound, in full.
    sound: Field,
    /// How names sound, by first letters.
    initials: Field,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = |option, norms| {
        TextOptions::default()
            .set_indexing_options(TextFieldIndexing::default().set_tokenizer("raw").set_index_option(option).set_fieldnorms(norms))
    };
    let scored = || text(IndexRecordOption::WithFreqs, true);
    let plain = || text(IndexRecordOption::Basic, false);
    let fields = Fields {
        slot: schema.add_u64_field("slot", FAST | INDEXED),
        name: schema.add_text_field("name", scored()),
        plain: schema.add_text_field("plain", plain()),
        name_pairs: schema.add_text_field("name_pairs", plain()),
        body: schema.add_text_field("body", scored()),
        body_pairs: schema.add_text_field("body_pairs", plain()),
        rest: schema.add_text_field("rest", scored()),
        sound: schema.add_text_field("sound", plain()),
        initials: schema.add_text_field("initials", plain()),
    };
    (schema.build(), fields)
}

/// One state of the index.
#[derive(Clone)]
struct State {
    searcher: Searcher,
    /// By slot; the id of each.
    facts: HashMap<u64, (ProductId, Arc<Facts>)>,
    slots: HashMap<ProductId, u64>,
    next_slot: u64,
    mark: Option<i64>,
}

/// The index. Questions and changes may come at the same time.
pub struct Index {
    index: tantivy::Index,
    reader: IndexReader,
    fields: Fields,
    state: RwLock<Arc<State>>,
    /// One change at a time.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("Index").field("entries", &state.facts.len()).field("mark", &state.mark).finish_non_exhaustive()
    }
}

impl Index {
    /// An empty index.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn new() -> Result<Self, Fault> {
        let (schema, fields) = schema();
        let index = tantivy::Index::create_in_ram(schema);
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(1).try_into()?;
        let state = State { searcher: reader.searcher(), facts: HashMap::new(), slots: HashMap::new(), next_slot: 0, mark: None };
        Ok(Self { index, reader, fields, state: RwLock::new(Arc::new(state)), changing: Mutex::new(()) })
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The mark of the catalogue that the index has come to; none before the first change.
    #[must_use]
    pub fn mark(&self) -> Option<i64> {
        self.state().mark
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().facts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts entries in, new or anew, takes others out, and has come to `mark` with it. Works on the processor for as long as it takes.
    ///
    /// # Errors
    /// [`Fault`]; the index is then as it was.
    pub fn apply(&self, mark: i64, put: &[Entry], remove: &[ProductId]) -> Result<(), Fault> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state());
        state.mark = Some(mark);
        if !(put.is_empty() && remove.is_empty()) {
            self.write(&mut state, put, remove)?;
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        Ok(())
    }

    fn write(&self, state: &mut State, put: &[Entry], remove: &[ProductId]) -> Result<(), Fault> {
        let options =
            IndexWriterOptions::builder().num_worker_threads(1).num_merge_threads(1).memory_budget_per_thread(WRITER_BYTES).build();
        // Held no longer than it is needed: its threads and its memory go with it.
        let mut writer: IndexWriter = self.index.writer_with_options(options)?;
        let mut stems = Stems::default();
        for id in put.iter().map(|entry| entry.id).chain(remove.iter().copied()) {
            if let Some(slot) = state.slots.remove(&id) {
                state.facts.remove(&slot);
                writer.delete_term(Term::from_field_u64(self.fields.slot, slot));
            }
        }
        for entry in put {
            let slot = state.next_slot;
            state.next_slot += 1;
            writer.add_document(self.document(slot, entry, &mut stems))?;
            state.slots.insert(entry.id, slot);
            state.facts.insert(slot, (entry.id, Arc::new(entry.facts.clone())));
        }
        writer.commit()?;
        writer.wait_merging_threads()?;
        self.reader.reload()?;
        state.searcher = self.reader.searcher();
        Ok(())
    }

    fn document(&self, slot: u64, entry: &Entry, stems: &mut Stems) -> TantivyDocument {
        let fields = &self.fields;
        let mut document = TantivyDocument::default();
        document.add_u64(fields.slot, slot);
        let gather = |texts: &[String], stems: &mut Stems, max: usize| {
            let mut all = Words::default();
            for text in texts {
                let text: String = text.chars().take(max).collect();
                let Words { words, plain, pairs } = text::words(&text, stems);
                all.words.extend(words);
                all.plain.extend(plain);
                all.pairs.extend(pairs);
            }
            all
        };
        let name = gather(&entry.names, stems, REST_MAX);
        let body = gather(&entry.body, stems, REST_MAX);
        let rest = gather(&entry.rest, stems, REST_MAX);
        let (sound, initials): (Vec<_>, Vec<_>) = entry.names.iter().map(|name| text::sound(name)).unzip();
        for (field, words) in [
            (fields.name, name.words),
            (fields.plain, name.plain),
            (fields.name_pairs, name.pairs),
            (fields.body, body.words),
            (fields.body_pairs, body.pairs),
            (fields.rest, rest.words),
            (fields.sound, sound.concat()),
            (fields.initials, initials.concat()),
        ] {
            document.add_pre_tokenized_text(field, tokens(words));
        }
        document
    }

    fn hits<'a>(&self, state: &'a State, query: &dyn Query) -> Result<Vec<Hit<'a>>, Fault> {
        let found = state.searcher.search(query, &Slots)?;
        let hit = |(slot, score): (u64, f32)| state.facts.get(&slot).map(|(id, facts)| Hit { id: *id, score, facts });
        Ok(found.into_iter().filter_map(hit).collect())
    }

    fn everything(state: &State) -> Vec<Hit<'_>> {
        state.facts.values().map(|(id, facts)| Hit { id: *id, score: 0.0, facts }).collect()
    }

    /// Answers a question. Where nothing has its words, what comes near is the answer.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn search(&self, question: &Question, bands: &Bands) -> Result<Found, Fault> {
        let state = self.state();
        // Where there is nothing, no dictionary is loaded to look for it.
        if state.facts.is_empty() {
            return Ok(Found::default());
        }
        let (mut hits, mut is_near) = match ask::query(&self.fields, &question.text, Manner::Exact) {
            Some(query) => (self.hits(&state, &*query)?, false),
            // Signs without a word find nothing; no question at all finds everything.
            None if question.text.trim().is_empty() => (Self::everything(&state), false),
            None => (Vec::new(), false),
        };
        if hits.is_empty()
            && let Some(query) = ask::query(&self.fields, &question.text, Manner::Lenient)
        {
            hits = self.hits(&state, &*query)?;
            is_near = !hits.is_empty();
        }
        let facets = facts::sift(&mut hits, &question.filter, bands);
        facts::arrange(&mut hits, question.sort);
        let wanted = hits.iter().skip(question.skip).take(question.take.min(TAKE_MAX));
        Ok(Found { ids: wanted.map(|hit| hit.id).collect(), total: hits.len(), facets, is_near })
    }

    /// Products whose names somebody may be typing, the likeliest first.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn suggest(&self, typed: &str, take: usize) -> Result<Vec<ProductId>, Fault> {
        let state = self.state();
        let Some(query) = ask::query(&self.fields, typed, Manner::Typing) else { return Ok(Vec::new()) };
        let mut hits = self.hits(&state, &*query)?;
        facts::arrange(&mut hits, Sort::Relevance);
        Ok(hits.iter().take(take.min(TAKE_MAX)).map(|hit| hit.id).collect())
    }
}

/// Words as the index takes them, each at its place.
fn tokens(words: Vec<String>) -> PreTokenizedString {
    let token = |(position, text): (usize, String)| Token { position, text, ..Token::default() };
    PreTokenizedString { text: String::new(), tokens: words.into_iter().enumerate().map(token).collect() }
}

/// Collects the slots of everything that is found, with how well it fits.
struct Slots;

struct SegmentSlots {
    column: Column<u64>,
    found: Vec<(u64, Score)>,
}

impl Collector for Slots {
    type Fruit = Vec<(u64, Score)>;
    type Child = SegmentSlots;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentSlots> {
        Ok(SegmentSlots { column: segment.fast_fields().u64("slot")?, found: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, fruits: Vec<Vec<(u64, Score)>>) -> tantivy::Result<Vec<(u64, Score)>> {
        Ok(fruits.concat())
    }
}

impl SegmentCollector for SegmentSlots {
    type Fruit = Vec<(u64, Score)>;

    fn collect(&mut self, document: DocId, score: Score) {
        if let Some(slot) = self.column.first(document) {
            self.found.push((slot, score));
        }
    }

    fn harvest(self) -> Vec<(u64, Score)> {
        self.found
    }
}

#[cfg(test)]
mod tests;
