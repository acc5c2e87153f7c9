//! What is counted and sorted by: the facts of each entry, kept beside the index.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use kernel::ProductId;

/// What is known of an entry besides its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where it stands in the tree of categories, by the caller's numbers: the leaf first, then what it is in.
    pub categories: Vec<u16>,
    /// How it is charged: a bit for each of the caller's modes.
    pub modes: u8,
    /// The least to pay, minor units; none when nothing of it is sold.
    pub price_minor: Option<i64>,
    /// When it was first published, ms UTC.
    pub published_at: i64,
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of a category or of what is in it.
    pub category: Option<u16>,
    /// Those that are charged in one of these modes; 0 is any.
    pub modes: u8,
    /// Those whose price is in this band, by its place in [`Bands`].
    pub band: Option<usize>,
}

/// How prices are put together: the highest price of each band but the last, minor units, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bands(pub Vec<i64>);

impl Bands {
    fn of(&self, price_minor: i64) -> usize {
        self.0.iter().position(|highest| price_minor <= *highest).unwrap_or(self.0.len())
    }
}

/// In which order entries come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// What fits the question best first; without a question the newest.
    #[default]
    Relevance,
    /// The newest first.
    Newest,
    /// The cheapest first.
    Cheapest,
    /// The dearest first.
    Dearest,
}

/// How many entries there would be for each choice of one filter, the other filters being as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// By category.
    pub categories: BTreeMap<u16, usize>,
    /// By mode, by the place of its bit.
    pub modes: BTreeMap<u8, usize>,
    /// By band.
    pub bands: BTreeMap<usize, usize>,
}

/// What of a filter an entry keeps.
struct Kept {
    category: bool,
    mode: bool,
    band: bool,
}

impl Facts {
    fn keeps(&self, filter: &Filter, band: Option<usize>) -> Kept {
        Kept {
            category: filter.category.is_none_or(|wanted| self.categories.contains(&wanted)),
            mode: filter.modes == 0 || filter.modes & self.modes != 0,
            band: filter.band.is_none_or(|wanted| band == Some(wanted)),
        }
    }
}

/// An entry that the words of a question have found, and how well it fits.
pub(crate) struct Hit<'a> {
    pub(crate) id: ProductId,
    pub(crate) score: f32,
    pub(crate) facts: &'a Facts,
}

/// Counts the choices and leaves in what the whole filter lets through.
pub(crate) fn sift(hits: &mut Vec<Hit<'_>>, filter: &Filter, bands: &Bands) -> Facets {
    let mut facets = Facets::default();
    hits.retain(|hit| {
        let band = hit.facts.price_minor.map(|price| bands.of(price));
        let kept = hit.facts.keeps(filter, band);
        if kept.mode && kept.band {
            for category in &hit.facts.categories {
                *facets.categories.entry(*category).or_default() += 1;
            }
        }
        if kept.category && kept.band {
            for mode in (0..8).filter(|mode| hit.facts.modes & (1 << mode) != 0) {
                *facets.modes.entry(mode).or_default() += 1;
            }
        }
        if let Some(band) = band.filter(|_| kept.category && kept.mode) {
            *facets.bands.entry(band).or_default() += 1;
        }
        kept.category && kept.mode && kept.band
    });
    facets
}

/// Puts hits into an order; what is equal comes newest first.
pub(crate) fn arrange(hits: &mut [Hit<'_>], sort: Sort) {
    let newest = |hit: &Hit<'_>| Reverse((hit.facts.published_at, hit.id));
    match sort {
        Sort::Relevance => hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| newest(a).cmp(&newest(b)))),
        Sort::Newest => hits.sort_by_key(newest),
        // What has no price comes last either way.
        Sort::Cheapest => hits.sort_by_key(|hit| (hit.facts.price_minor.unwrap_or(i64::MAX), newest(hit))),
        Sort::Dearest => hits.sort_by_key(|hit| (Reverse(hit.facts.price_minor.unwrap_or(i64::MIN)), newest(hit))),
    }
}
