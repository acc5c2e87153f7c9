//! Lists of products: what a search finds, what stands in a category; and suggestions while somebody types.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::Code;
use market::catalog::{ChargingMode, categories};
use search::{Filter, Found, Piece, Question, Sort};
use serde::Deserialize;

use super::seo::{Asked, Head, Origin, Public};
use super::{Card, cards, mode_key, shelved};
use crate::AppState;
use crate::auth::Visitor;
use crate::extract::{Query, Segment};
use crate::pages::Page;
use crate::pages::parts::Choice;
use crate::pages::shell::{Reader, Shell, Words};
use crate::problem::{ApiError, ApiResult};
use crate::shelf;

/// Products on one page of a list.
const CARDS: usize = 20;
/// The last page of a list: who has not found it by then asks more closely. `[ours]`
const PAGES_MAX: usize = 50;
/// Suggestions at once.
const SUGGESTIONS: usize = 8;

/// What a list is asked for. Everything may be missing, and what makes no sense chooses nothing: a shared link always shows a list.
#[derive(Clone, Deserialize, Default)]
#[serde(default)]
pub(super) struct Asking {
    q: String,
    category: String,
    mode: String,
    band: String,
    sort: String,
    page: String,
}

const MODES: [ChargingMode; 2] = [ChargingMode::Period, ChargingMode::OneTime];
const SORTS: [(&str, Sort, &str); 4] = [
    ("", Sort::Relevance, "page-sort-relevance"),
    ("new", Sort::Newest, "page-sort-new"),
    ("cheap", Sort::Cheapest, "page-sort-cheap"),
    ("dear", Sort::Dearest, "page-sort-dear"),
];

fn mode_word(mode: ChargingMode) -> &'static str {
    match mode {
        ChargingMode::Period => "period",
        ChargingMode::OneTime => "once",
    }
}

impl Asking {
    /// The same, with what nobody can mean taken out.
    fn sensible(self, bands: usize) -> Self {
        let keep = |text: String, good: bool| if good { text } else { String::new() };
        let (has_category, has_mode) = (shelf::number_of(&self.category).is_some(), MODES.iter().any(|mode| mode_word(*mode) == self.mode));
        let has_band = self.band.parse::<usize>().is_ok_and(|band| band < bands);
        let has_sort = SORTS.iter().any(|(word, ..)| *word == self.sort);
        Self {
            q: super::sought(&self.q),
            category: keep(self.category, has_category),
            mode: keep(self.mode, has_mode),
            band: keep(self.band, has_band),
            sort: keep(self.sort, has_sort),
            page: self.page,
        }
    }

    fn page(&self) -> usize {
        self.page.parse().unwrap_or(1).clamp(1, PAGES_MAX)
    }

    fn question(&self) -> Question {
        let mode = MODES.iter().find(|mode| mode_word(**mode) == self.mode);
        let filter = Filter {
            category: shelf::number_of(&self.category),
            modes: mode.map_or(0, |mode| 1 << shelf::mode_bit(*mode)),
            band: self.band.parse().ok(),
        };
        let sort = SORTS.iter().find(|(word, ..)| *word == self.sort).map_or(Sort::Relevance, |(_, sort, _)| *sort);
        Question { text: self.q.clone(), filter, sort, skip: (self.page() - 1) * CARDS, take: CARDS }
    }
}

/// Where a list is: its path, and whether the path says the category.
struct Place {
    path: String,
    category_in_path: bool,
}

impl Place {
    /// The address of the list with something chosen otherwise; what is not chosen is not in it.
    fn with(&self, asking: &Asking, change: impl FnOnce(&mut Asking)) -> String {
        let mut asking = Asking { page: String::new(), ..asking.clone() };
        change(&mut asking);
        let Asking { q, category, mode, band, sort, page } = asking;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let category = if self.category_in_path { String::new() } else { category };
        for (name, value) in [("q", q), ("category", category), ("mode", mode), ("band", band), ("sort", sort), ("page", page)] {
            if !value.is_empty() {
                query.append_pair(name, &value);
            }
        }
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}

/// A choice with how much it would leave.
struct Facet {
    href: String,
    label: String,
    count: String,
    on: bool,
    is_inside: bool,
}

/// Choices of one kind.
struct Facets {
    title: String,
    choices: Vec<Facet>,
}

#[derive(Template)]
#[template(path = "storefront/list.html")]
struct List {
    shell: Shell,
    head: Option<Head>,
    title: String,
    asking: Asking,
    action: String,
    keep: Vec<(&'static str, String)>,
    crumbs: Vec<(String, String)>,
    facets: Vec<Facets>,
    sorts: Vec<Choice>,
    cards: Vec<Card>,
    total: String,
    is_near: bool,
    is_filtered: bool,
    clear: String,
    before: Option<String>,
    after: Option<String>,
    page: String,
}

fn category_facet(place: &Place, asking: &Asking, found: &Found, words: &Words) -> Facets {
    let chosen = categories::find(&asking.category);
    let count = |slug: &str| shelf::number_of(slug).and_then(|number| found.facets.categories.get(&number)).copied().unwrap_or(0);
    let href = |slug: &str| {
        if place.category_in_path {
            Place { path: format!("/categories/{slug}"), category_in_path: true }.with(asking, |_| {})
        } else {
            place.with(asking, |asking| slug.clone_into(&mut asking.category))
        }
    };
    let facet = |category: &'static categories::Category, is_inside| Facet {
        href: href(category.slug),
        label: category.name(words.locale).to_owned(),
        count: count(category.slug).to_string(),
        on: asking.category == category.slug,
        is_inside,
    };
    let mut choices = Vec::new();
    for branch in categories::TREE {
        let is_open = chosen.is_some_and(|(open, _)| open.category.slug == branch.category.slug);
        if count(branch.category.slug) > 0 || is_open {
            choices.push(facet(&branch.category, false));
        }
        if is_open {
            choices.extend(branch.leaves.iter().map(|leaf| facet(leaf, true)).filter(|leaf| leaf.on || leaf.count != "0"));
        }
    }
    Facets { title: words.s("page-category"), choices }
}

fn facets(app: &AppState, place: &Place, asking: &Asking, found: &Found, words: &Words) -> Vec<Facets> {
    let mode = |mode: &ChargingMode| {
        let on = mode_word(*mode) == asking.mode;
        let href = place.with(asking, |asking| if on { asking.mode.clear() } else { mode_word(*mode).clone_into(&mut asking.mode) });
        let count = found.facets.modes.get(&shelf::mode_bit(*mode)).copied().unwrap_or(0);
        Facet { href, label: words.s(mode_key(*mode)), count: count.to_string(), on, is_inside: false }
    };
    let bands = shelf::bands(app).0;
    let currency = app.market().edition().currency;
    let band = |band: usize| {
        let on = band.to_string() == asking.band;
        let href = place.with(asking, |asking| asking.band = if on { String::new() } else { band.to_string() });
        let below = |place: usize| words.money(bands.get(place).copied().unwrap_or(0), currency);
        let label = match band {
            0 => words.s("page-free"),
            1 => words.with("page-up-to", below(1)),
            last if last == bands.len() => words.with("page-above", below(last - 1)),
            middle => format!("{}–{}", below(middle - 1), below(middle)),
        };
        let count = found.facets.bands.get(&band).copied().unwrap_or(0);
        Facet { href, label, count: count.to_string(), on, is_inside: false }
    };
    let shown = |facet: &Facet| facet.on || facet.count != "0";
    let all = [
        category_facet(place, asking, found, words),
        Facets { title: words.s("page-charged"), choices: MODES.iter().map(mode).filter(shown).collect() },
        Facets { title: words.s("page-price-from"), choices: (0..=bands.len()).map(band).filter(shown).collect() },
    ];
    all.into_iter().filter(|facets| !facets.choices.is_empty()).collect()
}

async fn list(
    app: &AppState,
    reader: Reader,
    place: Place,
    asking: Asking,
    title: String,
    crumbs: Vec<(String, String)>,
    head: Option<Head>,
) -> ApiResult<List> {
    let found = app.ask(asking.question()).await?;
    let words = reader.shell.t.clone();
    let page = asking.page();
    let shown = cards(app, &words, found.ids.clone(), &asking.q).await?;
    let sort = |(word, _, key): &(&str, Sort, &str)| Choice { value: (*word).to_owned(), label: words.s(key), on: *word == asking.sort };
    let pages = found.total.div_ceil(CARDS).min(PAGES_MAX);
    let turn = |page: usize| place.with(&asking, |asking| asking.page = if page == 1 { String::new() } else { page.to_string() });
    let in_path = |name: &str| name == "category" && place.category_in_path;
    let keep = [("q", &asking.q), ("category", &asking.category), ("mode", &asking.mode), ("band", &asking.band)];
    Ok(List {
        head,
        title,
        action: place.path.clone(),
        keep: keep
            .into_iter()
            .filter(|(name, value)| !value.is_empty() && !in_path(name))
            .map(|(name, value)| (name, value.clone()))
            .collect(),
        crumbs,
        facets: facets(app, &place, &asking, &found, &words),
        sorts: SORTS.iter().map(sort).collect(),
        cards: shown,
        total: found.total.to_string(),
        is_near: found.is_near,
        is_filtered: !(asking.mode.is_empty() && asking.band.is_empty() && (asking.category.is_empty() || place.category_in_path)),
        clear: place.with(&Asking { q: asking.q.clone(), ..Asking::default() }, |_| {}),
        before: (page > 1).then(|| turn(page - 1)),
        after: (page < pages).then(|| turn(page + 1)),
        page: words.with("page-page-of", format!("{page} / {}", pages.max(1))),
        asking,
        shell: reader.shell,
    })
}

/// What the words of a search find, or everything that is on sale.
pub(super) async fn search(State(app): State<AppState>, reader: Reader, Query(asking): Query<Asking>) -> ApiResult<Response> {
    let asking = asking.sensible(shelf::bands(&app).0.len() + 1);
    let words = &reader.shell.t;
    let title = if asking.q.is_empty() { words.s("page-all-products") } else { words.with("page-found", asking.q.as_str()) };
    let place = Place { path: "/search".to_owned(), category_in_path: false };
    Ok(Page(list(&app, reader, place, asking, title, Vec::new(), None).await?).into_response())
}

/// What stands in a category.
pub(super) async fn category(
    State(app): State<AppState>,
    reader: Reader,
    origin: Origin,
    asked: Asked,
    Segment(slug): Segment<String>,
    Query(asking): Query<Asking>,
) -> ApiResult<Response> {
    let (branch, leaf) = categories::find(&slug).ok_or_else(|| ApiError::refused(Code::NotFound))?;
    let asking = Asking { category: slug.clone(), ..asking.sensible(shelf::bands(&app).0.len() + 1) };
    let words = &reader.shell.t;
    let title = leaf.unwrap_or(&branch.category).name(words.locale).to_owned();
    let mut crumbs = vec![("/".to_owned(), words.s("page-home"))];
    if leaf.is_some() {
        crumbs.push((format!("/categories/{}", branch.category.slug), branch.category.name(words.locale).to_owned()));
    }
    let about = words.with("page-category-about", title.as_str());
    let head = Head::new(&origin, &format!("/categories/{slug}"), &about, "website", words.locale);
    let place = Place { path: format!("/categories/{slug}"), category_in_path: true };
    let page = list(&app, reader, place, asking, title, crumbs, Some(head)).await?;
    Ok(Public { page, asked }.into_response())
}

/// A product that somebody may be typing.
struct Suggestion {
    href: String,
    name: Vec<Piece>,
    seller: String,
}

#[derive(Template)]
#[template(path = "storefront/suggest.html")]
struct Suggestions {
    t: Words,
    suggestions: Vec<Suggestion>,
    all: String,
    q: String,
}

#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    q: String,
}

/// What somebody may be typing: a piece of a page, for the search field.
pub(super) async fn suggest(State(app): State<AppState>, visitor: Visitor, Query(Typed { q }): Query<Typed>) -> ApiResult<Response> {
    let q: String = super::sought(&q);
    let t = Words::new(visitor.ctx.locale, &app);
    let ids = app.suggest(q.clone(), SUGGESTIONS).await?;
    let found = app.read(async move |tx| shelved(tx, &ids).await).await?;
    let cards = found.cards(&t, app.market().edition().currency, &q);
    let suggestions = cards.into_iter().map(|card| Suggestion { href: card.href, name: card.name, seller: card.seller }).collect();
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &q).finish();
    Ok(Page(Suggestions { t, suggestions, all: format!("/search?{query}"), q }).into_response())
}
