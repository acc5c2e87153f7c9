#![allow(clippy::unwrap_used)]

use kernel::Entropy;

use super::*;

const OFFICE: u16 = 1;
const SECURITY: u16 = 2;
const SOFTWARE: u16 = 9;

struct Stall {
    index: Index,
    ids: Vec<ProductId>,
}

fn facts(category: u16, modes: u8, price: Option<i64>, at: i64) -> Facts {
    Facts { categories: vec![category, SOFTWARE], modes, price_minor: price, published_at: at }
}

fn stall() -> Stall {
    let entropy = Entropy::from_seed([7; 32]);
    let entry = |at: i64, names: [&str; 2], overview: &str, facts: Facts| Entry {
        id: ProductId::new(at, &entropy),
        names: names.map(str::to_owned).into(),
        body: vec![overview.to_owned(), "杭州云简科技".to_owned()],
        rest: vec!["支持与企业目录同步 with single sign-on".to_owned()],
        facts,
    };
    let entries = [
        entry(1, ["云简协同办公套件", "Yunjian Office Suite"], "文档、会议、审批与知识库合一", facts(OFFICE, 1, Some(2_800), 1)),
        entry(2, ["视频会议", "MeshMeet"], "Video meetings for teams", facts(OFFICE, 1, Some(900), 2)),
        entry(3, ["等保整改服务", "Compliance Remediation"], "测评差距分析、加固与文档", facts(SECURITY, 2, Some(4_600_000), 3)),
        entry(4, ["银行对账系统", "Bank Reconciliation"], "Statements of banks, matched", facts(OFFICE, 3, None, 4)),
    ];
    let index = Index::new().unwrap();
    index.apply(1, &entries, &[]).unwrap();
    Stall { index, ids: entries.iter().map(|entry| entry.id).collect() }
}

impl Stall {
    fn ask(&self, question: &Question) -> Found {
        self.index.search(question, &Bands(vec![0, 10_000])).unwrap()
    }

    /// The places of what is found, in order.
    fn finds(&self, text: &str) -> Vec<usize> {
        self.places(&self.ask(&Question { text: text.to_owned(), take: 20, ..Question::default() }).ids)
    }

    fn suggests(&self, text: &str) -> Vec<usize> {
        self.places(&self.index.suggest(text, 8).unwrap())
    }

    fn places(&self, ids: &[ProductId]) -> Vec<usize> {
        ids.iter().map(|id| self.ids.iter().position(|known| known == id).unwrap()).collect()
    }
}

#[test]
fn words_are_found_in_chinese_english_and_pinyin() {
    let stall = stall();
    for (text, expected) in [
        ("协同", &[0][..]),
        ("会议", &[1, 0]),
        ("云简协同办公套件", &[0]),
        ("审批 文档", &[0]),
        ("meeting", &[1]),
        ("banks", &[3]),
        ("meshm", &[1]),
        ("xietong", &[0]),
        ("xtbg", &[0]),
        ("yinhang", &[3]),
        ("合规", &[]),
        ("目录", &[3, 2, 1, 0]),
        ("！？", &[]),
        ("ＭｅｓｈＭｅｅｔ", &[1]),
    ] {
        assert_eq!(stall.finds(text), expected, "{text}");
    }
    assert_eq!((stall.finds("").len(), stall.finds("杭州云简科技").len()), (4, 4), "by the seller");
}

#[test]
fn what_is_mistyped_finds_what_comes_near() {
    let stall = stall();
    for (text, expected) in [("reconcilation", 3), ("mehsmeet", 1), ("complaince", 2), ("视屏会议", 1)] {
        let found = stall.ask(&Question { text: text.to_owned(), take: 20, ..Question::default() });
        assert!(found.is_near && stall.places(&found.ids).contains(&expected), "{text}: {found:?}");
    }
    for (text, expected) in
        [("ofice", 0), ("yunj", 0), ("视频", 1), ("会", 1), ("shipin", 1), ("sphy", 1), ("bank rec", 3), ("remeditaion", 2)]
    {
        assert!(stall.suggests(text).contains(&expected), "{text}: {:?}", stall.suggests(text));
    }
    assert!(stall.suggests("").is_empty() && stall.suggests("zzzzzz").is_empty());
}

#[test]
fn choices_are_counted_as_if_the_others_stayed() {
    let stall = stall();
    let filter = Filter { category: Some(OFFICE), modes: 1, band: None };
    let found = stall.ask(&Question { filter, sort: Sort::Cheapest, take: 20, ..Question::default() });
    assert_eq!(stall.places(&found.ids), [1, 0, 3], "what has no price comes last");
    assert_eq!(found.facets.categories, [(OFFICE, 3), (SOFTWARE, 3)].into());
    assert_eq!(found.facets.modes, [(0, 3), (1, 1)].into());
    assert_eq!(found.facets.bands, [(1, 2)].into());
    let dear = Question { filter: Filter { band: Some(2), ..Filter::default() }, take: 20, ..Question::default() };
    let found = stall.ask(&dear);
    assert_eq!((stall.places(&found.ids), found.total), (vec![2], 1));
    assert_eq!(found.facets.bands, [(1, 2), (2, 1)].into());
    let second = stall.ask(&Question { sort: Sort::Newest, skip: 1, take: 2, ..Question::default() });
    assert_eq!((stall.places(&second.ids), second.total), (vec![2, 1], 4));
    assert_eq!(stall.places(&stall.ask(&Question { sort: Sort::Dearest, take: 1, ..Question::default() }).ids), [2]);
}

#[test]
fn what_is_taken_out_is_not_found_again() {
    let stall = stall();
    stall.index.apply(2, &[], &stall.ids[..1]).unwrap();
    assert_eq!((stall.index.mark(), stall.index.len()), (Some(2), 3));
    // `Stall::places` knows every product, so the first one would be seen.
    for text in ["协同", "xietong", "yunjian", ""] {
        assert!(!stall.finds(text).contains(&0) && !stall.suggests(text).contains(&0), "{text}");
    }
    let again =
        Entry {
            id: stall.ids[1], names: vec!["白板".to_owned()], body: Vec::new(), rest: Vec::new(), facts: facts(OFFICE, 1, Some(1), 5)
        };
    stall.index.apply(3, &[again], &[]).unwrap();
    assert_eq!((stall.finds("白板"), stall.finds("meshmeet")), (vec![1], vec![]));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_is_asked_is_answered(text in "\\PC{0,200}") {
        let stall = stall();
        stall.finds(&text);
        stall.suggests(&text);
    }
}
