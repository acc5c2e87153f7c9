#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use kernel::{AddressId, Code, EditionId, Entropy, Locale, SkuId};
use proptest::prelude::*;

use super::content::*;
use super::state::*;
use super::{Names, TaxKind};

#[test]
fn the_product_table_is_the_whole_life_of_a_product() {
    let rows: BTreeSet<_> = PRODUCT_TABLE
        .iter()
        .flat_map(|row| row.by.iter().map(move |side| (row.from.state, row.from.hidden_by, row.event, *side)))
        .collect();
    let written: usize = PRODUCT_TABLE.iter().map(|row| row.by.len()).sum();
    assert_eq!(rows.len(), written, "no two rows for the same event");
    for from in Standing::ALL {
        for event in ProductEvent::ALL {
            for side in Side::ALL {
                let row = PRODUCT_TABLE.iter().find(|r| r.from == *from && r.event == *event && r.by.contains(side));
                match decide_product(*from, *event, *side) {
                    Ok(to) => assert_eq!(Some(to), row.map(|r| r.to)),
                    Err(refusal) => {
                        assert!(row.is_none());
                        assert_eq!(refusal.to_string(), format!("product-state state={}", from.state));
                    }
                }
            }
        }
    }
    for row in PRODUCT_TABLE {
        assert_ne!(row.from, Standing::RETIRED, "a retired product never comes back");
        assert_ne!(row.to, Standing::DRAFT, "a published product is never a draft again");
        assert_eq!(row.to.hidden_by.is_some(), row.to.state == ProductState::Hidden);
        assert!(row.event != ProductEvent::Approve || row.by == [Side::Operator], "only the operator publishes");
    }
    // What the operator hid, the seller cannot show, not even by hiding it again.
    assert!(decide_product(Standing::HIDDEN_BY_OPERATOR, ProductEvent::Show, Side::Seller).is_err());
    assert!(decide_product(Standing::HIDDEN_BY_OPERATOR, ProductEvent::Hide, Side::Seller).is_err());
    let mut reached = vec![Standing::DRAFT];
    for _ in Standing::ALL {
        let next: Vec<_> = PRODUCT_TABLE.iter().filter(|r| reached.contains(&r.from)).map(|r| r.to).collect();
        reached.extend(next);
    }
    assert!(Standing::ALL.iter().all(|s| reached.contains(s)), "every standing can be reached");
}

#[test]
fn a_submission_is_decided_once() {
    for from in ListingState::ALL {
        for event in ListingEvent::ALL {
            for side in Side::ALL {
                let row = LISTING_TABLE.iter().find(|r| r.from == *from && r.event == *event && r.by.contains(side));
                match decide_listing(*from, *event, *side) {
                    Ok(to) => assert_eq!(Some(to), row.map(|r| r.to)),
                    Err(refusal) => assert_eq!((row, refusal.code), (None, Code::ReviewDecided)),
                }
            }
        }
    }
    assert!(LISTING_TABLE.iter().all(|row| row.from == ListingState::UnderReview && row.to != ListingState::UnderReview));
    assert!(decide_listing(ListingState::UnderReview, ListingEvent::Approve, Side::Seller).is_err(), "no seller approves");
}

#[test]
fn what_is_sold_depends_on_the_product() {
    for purpose in Purpose::ALL {
        for (state, sold) in
            [(ProductState::Draft, false), (ProductState::OnSale, true), (ProductState::Hidden, true), (ProductState::Retired, false)]
        {
            assert_eq!(sells(state, *purpose), sold, "{state} {purpose}");
        }
    }
}

fn content() -> ProductContent {
    let entropy = Entropy::from_seed([9; 32]);
    let sku = |zh: &str| SkuContent {
        id: None,
        names: Texts::new(zh, ""),
        quantity: QuantityRule { min: 1, max: 100, step: 1, unit: Texts::new("用户", "users") },
        prices: vec![PriceContent { unit: PriceUnit::Month, amount_minor: 9_900 }],
        change: None,
    };
    let edition = |zh: &str, en: &str| EditionContent {
        id: None,
        names: Texts::new(zh, en),
        charging_mode: ChargingMode::Period,
        tax_kind: TaxKind::Software,
        refund_rule: RefundRule::NoReason,
        address_id: Some(AddressId::new(1, &entropy)),
        skus: vec![sku("基础"), sku("高级")],
    };
    let mut content = ProductContent {
        names: Texts::new("云笔记", "Cloud Notes"),
        overview: Texts::new("记笔记", "Takes notes"),
        description: Texts::new("# 云笔记\n\n很好。", ""),
        highlights: vec![Texts::new("快", "Fast")],
        category: "other".to_owned(),
        support_email: "help@notes.example".to_owned(),
        support_phone: String::new(),
        editions: vec![edition("标准版", "Standard"), edition("专业版", "Professional")],
    };
    content.number(1, &entropy);
    content
}

/// The same as published.
fn as_published(content: &ProductContent) -> Published {
    let part = |s: &SkuContent| (s.id.unwrap(), (PartState::Active, s.quantity.step));
    let edition = |e: &EditionContent| PublishedEdition {
        state: PartState::Active,
        charging_mode: e.charging_mode,
        skus: e.skus.iter().map(part).collect::<BTreeMap<_, _>>(),
    };
    content.editions.iter().map(|e| (e.id.unwrap(), edition(e))).collect()
}

#[test]
fn a_whole_product_passes_and_each_limit_is_kept() {
    content().check().unwrap();
    assert_eq!(content().missing(), Vec::<String>::new());
    type Edit = fn(&mut ProductContent);
    let cases: &[(Edit, &str)] = &[
        (|c| c.names = Texts::default(), "field=names rule=required"),
        (|c| c.names.zh = "云".to_owned(), "field=names rule=length:2-60"),
        (|c| c.names.en = "n".repeat(61), "field=names rule=length:2-60"),
        (|c| c.names.en = "two\nlines".to_owned(), "field=names rule=format"),
        (|c| c.overview.zh = "好".repeat(201), "field=overview rule=length:0-200"),
        (|c| c.description.en = "x".repeat(20_001), "field=description rule=length:0-20000"),
        (|c| c.description.en = "\0".to_owned(), "field=description rule=format"),
        (|c| c.highlights = vec![Texts::default(); 6], "field=highlights rule=count:0-5"),
        (|c| c.highlights[0].en = "x".repeat(61), "field=highlights.0 rule=length:0-60"),
        (|c| c.support_email = "help".to_owned(), "field=support_email rule=email"),
        (|c| c.support_phone = "call us".to_owned(), "field=support_phone rule=phone"),
        (|c| c.editions = vec![c.editions[0].clone(); 21], "field=editions rule=count:0-20"),
        (|c| c.editions[1] = c.editions[0].clone(), "field=editions.1.id rule=unique"),
        (|c| c.editions[1].skus[0].id = c.editions[0].skus[1].id, "field=editions.1.skus.0.id rule=unique"),
        (|c| c.editions[0].names.zh = "版".repeat(61), "field=editions.0.names rule=length:1-60"),
        (|c| c.editions[0].skus[1].names.en = "x".repeat(61), "field=editions.0.skus.1.names rule=length:1-60"),
        (|c| c.editions[0].skus = vec![c.editions[0].skus[0].clone(); 101], "field=editions.0.skus rule=count:0-100"),
        (|c| c.editions[0].skus[1].quantity.min = 0, "field=editions.0.skus.1.quantity.min rule=range:1-9999999"),
        (|c| c.editions[0].skus[1].quantity.min = 101, "field=editions.0.skus.1.quantity.max rule=range:101-9999999"),
        (|c| c.editions[0].skus[1].quantity.max = 10_000_000, "field=editions.0.skus.1.quantity.max rule=range:1-9999999"),
        (|c| c.editions[0].skus[1].quantity.step = 0, "field=editions.0.skus.1.quantity.step rule=range:1-9999999"),
        (|c| c.editions[0].skus[1].quantity.unit.en = "x".repeat(21), "field=editions.0.skus.1.quantity.unit rule=length:0-20"),
        (|c| c.editions[0].skus[1].prices[0].unit = PriceUnit::Once, "field=editions.0.skus.1.prices.0.unit rule=charging-mode"),
        (|c| c.editions[1].charging_mode = ChargingMode::OneTime, "field=editions.1.refund_rule rule=not-returnable"),
        (
            |c| (c.editions[0].charging_mode, c.editions[0].refund_rule) = (ChargingMode::OneTime, RefundRule::None),
            "field=editions.0.skus.0.prices.0.unit rule=charging-mode",
        ),
        (
            |c| c.editions[0].skus[0].prices = vec![c.editions[0].skus[0].prices[0].clone(); 2],
            "field=editions.0.skus.0.prices.1.unit rule=unique",
        ),
        (|c| c.editions[0].skus[0].prices[0].amount_minor = -1, "field=editions.0.skus.0.prices.0.amount_minor rule=range:0-100000000000"),
        (
            |c| c.editions[0].skus[0].prices[0].amount_minor = i64::MAX,
            "field=editions.0.skus.0.prices.0.amount_minor rule=range:0-100000000000",
        ),
    ];
    for (edit, expected) in cases {
        let mut wrong = content();
        edit(&mut wrong);
        assert_eq!(wrong.check().unwrap_err().to_string(), format!("field-invalid {expected}"));
    }
}

#[test]
fn editions_skus_and_highlights_may_be_called_by_one_letter() {
    let mut content = content();
    content.editions[0].names = Texts::new("版", "S");
    content.editions[0].skus[0].names = Texts::new("", "M");
    content.highlights = vec![Texts::new("快", "L")];
    content.check().unwrap();
}

#[test]
fn a_draft_may_be_unfinished_and_says_what_is_missing() {
    let mut draft: ProductContent = serde_json::from_str(r#"{"names": {"en": "  Cloud Notes "}}"#).unwrap();
    draft.tidy();
    draft.check().unwrap();
    assert_eq!(draft.names.en, "Cloud Notes");
    assert_eq!(draft.missing(), ["overview", "description", "support_email", "editions"]);
    let mut draft = content();
    draft.editions[0].address_id = None;
    draft.editions[0].skus.clear();
    draft.editions[1].names = Texts::default();
    draft.editions[1].skus[1].names = Texts::default();
    draft.editions[1].skus[1].prices.clear();
    draft.check().unwrap();
    assert_eq!(
        draft.missing(),
        ["editions.0.address_id", "editions.0.skus", "editions.1.names", "editions.1.skus.1.names", "editions.1.skus.1.prices"]
    );
    assert!(serde_json::from_str::<ProductContent>(r#"{"names": {"en": "Notes"}, "colour": "red"}"#).is_err());
}

#[test]
fn a_revision_adds_and_changes_but_does_not_take_away() {
    let base = content();
    let published = as_published(&base);
    check_revision(&published, &base).unwrap();
    check_revision(&Published::new(), &base).unwrap();
    let mut grown = base.clone();
    let mut more = grown.editions[0].skus[0].clone();
    more.id = Some(SkuId::new(2, &Entropy::from_seed([1; 32])));
    more.quantity.step = 7;
    grown.editions[0].skus.insert(0, more);
    grown.editions[0].skus[1].prices[0].amount_minor = 1;
    grown.editions[0].skus[1].quantity.max = 50;
    grown.editions[0].refund_rule = RefundRule::None;
    grown.editions.swap(0, 1);
    check_revision(&published, &grown).unwrap();

    let (edition, sku) = (base.editions[1].id.unwrap(), base.editions[1].skus[0].id.unwrap());
    type Edit = fn(&mut ProductContent);
    let cases: &[(Edit, String)] = &[
        (|c| drop(c.editions.remove(1)), format!("field=editions rule=kept id={edition}")),
        (|c| drop(c.editions[1].skus.remove(0)), format!("field=editions rule=kept id={sku}")),
        (|c| c.editions[1].id = Some(EditionId::new(2, &Entropy::from_seed([1; 32]))), "field=editions.1.skus.0 rule=unchanged".to_owned()),
        (|c| c.editions[1].charging_mode = ChargingMode::OneTime, "field=editions.1.charging_mode rule=unchanged".to_owned()),
        (|c| c.editions[1].skus[0].quantity.step = 2, "field=editions.1.skus.0.quantity.step rule=unchanged".to_owned()),
        (
            |c| {
                let moved = c.editions[1].skus.remove(0);
                c.editions[0].skus.push(moved);
            },
            "field=editions.0.skus.2 rule=unchanged".to_owned(),
        ),
    ];
    for (edit, expected) in cases {
        let mut wrong = base.clone();
        edit(&mut wrong);
        assert_eq!(check_revision(&published, &wrong).unwrap_err().to_string(), format!("field-invalid {expected}"));
    }
}

#[test]
fn what_is_retired_stays_so() {
    let base = content();
    let mut published = as_published(&base);
    let (edition, other) = (base.editions[1].id.unwrap(), base.editions[0].id.unwrap());
    let sku = base.editions[1].skus[0].id.unwrap();
    published.get_mut(&edition).unwrap().skus.get_mut(&sku).unwrap().0 = PartState::Retired;
    assert_eq!(check_revision(&published, &base).unwrap_err().to_string(), "field-invalid field=editions.1.skus.0 rule=retired");
    let mut without = base.clone();
    let (editions, skus) = retired_ids(&published);
    without.drop_retired(&editions, &skus);
    assert_eq!(without.editions[1].skus.len(), 1);
    check_revision(&published, &without).unwrap();

    published.get_mut(&edition).unwrap().state = PartState::Retired;
    assert_eq!(check_revision(&published, &base).unwrap_err().to_string(), "field-invalid field=editions.1 rule=retired");
    published.get_mut(&other).unwrap().state = PartState::Retired;
    let mut anew = base;
    anew.editions.truncate(1);
    anew.editions[0].id = None;
    let refusal = check_revision(&published, &anew).unwrap_err();
    assert_eq!(refusal.to_string(), "product-state state=all-editions-retired");
}

#[test]
fn names_fall_back_to_the_other_language() {
    let names = Names { product: Texts::new("云笔记", "Notes"), edition: Texts::new("", "Pro"), sku: Texts::new("十用户", "") };
    assert_eq!(names.wire(), "云笔记,Pro,十用户");
    assert_eq!(names.edition.pick(Locale::ZhCn), "Pro");
    assert_eq!(names.sku.pick(Locale::En), "十用户");
    assert_eq!(names.product.pick(Locale::En), "Notes");
}

#[test]
fn quantities_go_in_steps_from_the_smallest() {
    let rule = QuantityRule { min: 3, max: 10, step: 2, unit: Texts::default() };
    let admitted: Vec<_> = (0..12).filter(|q| rule.admit(*q).is_ok()).collect();
    assert_eq!(admitted, [3, 5, 7, 9]);
    assert!(QuantityRule::one().admit(1).is_ok() && QuantityRule::one().admit(2).is_err());
}

proptest! {
    #[test]
    fn content_survives_its_storage_and_no_quantity_panics(quantity: i64, min: i64, max: i64, step: i64) {
        let rule = QuantityRule { min, max, step, unit: Texts::default() };
        if rule.admit(quantity).is_ok() {
            prop_assert!(quantity >= min && quantity <= max);
        }
        let text = serde_json::to_string(&content()).unwrap();
        prop_assert_eq!(serde_json::from_str::<ProductContent>(&text).unwrap(), content());
    }
}

#[test]
fn a_rule_of_changes_names_other_skus_of_the_edition_and_at_most_five_steps() {
    let mut content = content();
    content.number(1, &Entropy::from_seed([8; 32]));
    let [own, other] = [0, 1].map(|k| content.editions[0].skus[k].id.unwrap());
    let foreign = content.editions[1].skus[0].id.unwrap();
    let mut refused = |to: &[SkuId], scaling_steps| {
        content.editions[0].skus[0].change = Some(ChangeRule { to: to.to_vec(), scaling_steps });
        content.check().err().map(|refusal| refusal.args[0].1.clone())
    };
    assert_eq!(refused(&[other], 5), None);
    assert_eq!(refused(&[], 1), None);
    for (to, steps, path) in [
        (&[own][..], 1, "to.0"),
        (&[foreign], 1, "to.0"),
        (&[other, other], 1, "to.1"),
        (&[other], 0, "scaling_steps"),
        (&[other], 6, "scaling_steps"),
    ] {
        assert_eq!(refused(to, steps), Some(format!("editions.0.skus.0.change.{path}")), "{to:?} {steps}");
    }
    refused(&[other], 2);
    content.drop_retired(&BTreeSet::new(), &BTreeSet::from([other]));
    assert_eq!(content.editions[0].skus[0].change, Some(ChangeRule { to: vec![], scaling_steps: 2 }), "void where its target is removed");
    content.editions[0].charging_mode = ChargingMode::OneTime;
    content.editions[0].refund_rule = RefundRule::None;
    content.editions[0].skus[0].prices.clear();
    assert_eq!(content.check().unwrap_err().args[0].1, "editions.0.skus.0.change");
}
