//! The document as it was promised: `docs/openapi.json` is what clients were written against, and a change of it is seen before it is made.
//!
//! `YUNSHI_TEST_WRITE_OPENAPI=additions` writes the file anew when nothing in it breaks a client, `=breaking` whatever it is; then the change
//! belongs into CHANGELOG.md. The comparison knows what `OpenAPI` documents of this API hold, not all of OpenAPI.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::support::TestApp;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
const WRITE: &str = "YUNSHI_TEST_WRITE_OPENAPI";
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// What became different, and whether a client that was right may fail by it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Breaking(String),
    Addition(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaking(what) => write!(f, "BREAKING  {what}"),
            Self::Addition(what) => write!(f, "addition  {what}"),
        }
    }
}

/// Who writes what a schema describes: a client may send less than it could, and gets more than it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    ByClient,
    ByUs,
}

/// Two documents beside each other.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    /// Pairs of named schemas that are being compared, or were.
    seen: BTreeSet<(String, String, bool)>,
    changes: BTreeSet<Change>,
}

fn changes(old: &Value, new: &Value) -> BTreeSet<Change> {
    let mut comparison = Comparison { old, new, seen: BTreeSet::new(), changes: BTreeSet::new() };
    comparison.operations();
    comparison.changes
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn words(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(items) => items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect(),
        Value::String(word) => BTreeSet::from([word.clone()]),
        _ => BTreeSet::new(),
    }
}

/// Parameters by place and name.
fn parameters(operation: &Value) -> Map<String, Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let name = |p: &Value| format!("{} parameter `{}`", p["in"].as_str().unwrap_or(""), p["name"].as_str().unwrap_or(""));
    all.map(|p| (name(p), p.clone())).collect()
}

impl<'a> Comparison<'a> {
    fn breaking(&mut self, what: impl Into<String>) {
        self.changes.insert(Change::Breaking(what.into()));
    }

    fn addition(&mut self, what: impl Into<String>) {
        self.changes.insert(Change::Addition(what.into()));
    }

    fn operations(&mut self) {
        let (old, new) = (self.old, self.new);
        let of = |document: &'a Value| -> Map<String, Value> {
            let paths = document["paths"].as_object().into_iter().flatten();
            paths
                .flat_map(|(path, item)| {
                    METHODS.iter().filter_map(move |method| Some((format!("{method} {path}"), item.get(method)?.clone())))
                })
                .collect()
        };
        let (old, new) = (of(old), of(new));
        for (name, operation) in &old {
            match new.get(name) {
                None => self.breaking(format!("{name} is gone")),
                Some(now) => self.operation(name, operation, now),
            }
        }
        for name in new.keys().filter(|name| !old.contains_key(*name)) {
            self.addition(format!("{name} is new"));
        }
    }

    fn operation(&mut self, name: &str, old: &Value, new: &Value) {
        if old["operationId"] != new["operationId"] {
            self.breaking(format!("{name} is called {} and was {}", new["operationId"], old["operationId"]));
        }
        if old["security"] != new["security"] {
            self.breaking(format!("{name} needs another permission"));
        }
        let (before, after) = (parameters(old), parameters(new));
        for (parameter, was) in &before {
            let Some(is) = after.get(parameter) else {
                self.breaking(format!("{name}: {parameter} is gone"));
                continue;
            };
            if is["required"] == json!(true) && was["required"] != json!(true) {
                self.breaking(format!("{name}: {parameter} is now needed"));
            }
            self.schema(&format!("{name}: {parameter}"), &was["schema"], &is["schema"], Written::ByClient);
        }
        for (parameter, is) in after.iter().filter(|(parameter, _)| !before.contains_key(*parameter)) {
            match is["required"] == json!(true) {
                true => self.breaking(format!("{name}: {parameter} is new and needed")),
                false => self.addition(format!("{name}: {parameter} is new")),
            }
        }
        self.body(name, &old["requestBody"], &new["requestBody"]);
        let (before, after) = (object(&old["responses"]), object(&new["responses"]));
        for (status, was) in &before {
            let Some(is) = after.get(status) else {
                if status.starts_with('2') {
                    self.breaking(format!("{name}: the answer {status} is gone"));
                }
                continue;
            };
            let at = format!("{name}: answer {status}");
            let (was, is) = (self.followed(true, was), self.followed(false, is));
            for header in object(&was["headers"]).keys().filter(|header| is["headers"].get(*header).is_none()) {
                self.breaking(format!("{at}: the header `{header}` is gone"));
            }
            self.content(&at, &was["content"], &is["content"], Written::ByUs);
        }
        for status in after.keys().filter(|status| !before.contains_key(*status)) {
            self.addition(format!("{name}: the answer {status} is new"));
        }
    }

    fn body(&mut self, name: &str, old: &Value, new: &Value) {
        match (old.is_null(), new.is_null()) {
            (false, true) => self.breaking(format!("{name} takes no body any more")),
            (true, false) if new["required"] == json!(true) => self.breaking(format!("{name} needs a body")),
            (true, false) => self.addition(format!("{name} takes a body")),
            _ => {
                if new["required"] == json!(true) && old["required"] != json!(true) {
                    self.breaking(format!("{name} needs its body"));
                }
                self.content(&format!("{name}: body"), &old["content"], &new["content"], Written::ByClient);
            }
        }
    }

    fn content(&mut self, at: &str, old: &Value, new: &Value, written: Written) {
        for (kind, was) in object(old) {
            match new.get(&kind) {
                None => self.breaking(format!("{at} is not {kind} any more")),
                Some(is) => self.schema(at, &was["schema"], &is["schema"], written),
            }
        }
    }

    /// What a reference leads to, in the old document or the new one.
    fn followed(&self, in_old: bool, value: &Value) -> Value {
        let document = if in_old { self.old } else { self.new };
        let target = value.get("$ref").and_then(Value::as_str).and_then(|reference| document.pointer(reference.trim_start_matches('#')));
        target.unwrap_or(value).clone()
    }

    fn schema(&mut self, at: &str, old: &Value, new: &Value, written: Written) {
        if let (Some(was), Some(is)) = (old.get("$ref"), new.get("$ref"))
            && !self.seen.insert((was.to_string(), is.to_string(), written == Written::ByUs))
        {
            return;
        }
        let (old, new) = (&self.followed(true, old), &self.followed(false, new));
        let (types, types_now) = (words(&old["type"]), words(&new["type"]));
        let narrower = match written {
            Written::ByClient => !types_now.is_empty() && !types.is_subset(&types_now),
            Written::ByUs => !types.is_empty() && !types_now.is_subset(&types),
        };
        if narrower {
            self.breaking(format!("{at} is {} and was {}", new["type"], old["type"]));
        }
        self.values(at, old, new, written);
        self.members(at, old, new, written);
        for key in ["items", "additionalProperties"] {
            if old[key].is_object() && new[key].is_object() {
                self.schema(&format!("{at}[]"), &old[key], &new[key], written);
            }
        }
        for key in ["allOf", "oneOf", "anyOf"] {
            let (was, is) = (old[key].as_array().cloned().unwrap_or_default(), new[key].as_array().cloned().unwrap_or_default());
            if was.len() != is.len() {
                self.breaking(format!("{at} has other alternatives"));
            }
            for (was, is) in was.iter().zip(&is) {
                self.schema(at, was, is, written);
            }
        }
    }

    fn values(&mut self, at: &str, old: &Value, new: &Value, written: Written) {
        for key in ["format", "pattern", "const"] {
            if old[key] != new[key] && (written == Written::ByUs || !new[key].is_null()) {
                self.breaking(format!("{at}: its {key} is {} and was {}", new[key], old[key]));
            }
        }
        let (values, values_now) = (words(&old["enum"]), words(&new["enum"]));
        if !values_now.is_empty() {
            for gone in values.difference(&values_now) {
                match written {
                    Written::ByClient => self.breaking(format!("{at} does not take `{gone}` any more")),
                    Written::ByUs => self.addition(format!("{at} is never `{gone}` any more")),
                }
            }
            if values.is_empty() && written == Written::ByClient {
                self.breaking(format!("{at} takes certain values only"));
            }
            for added in values_now.difference(&values) {
                self.addition(format!("{at} may be `{added}`"));
            }
        }
        if written == Written::ByClient {
            for (key, upper) in
                [("maximum", true), ("maxLength", true), ("maxItems", true), ("minimum", false), ("minLength", false), ("minItems", false)]
            {
                let (was, is) = (old[key].as_i64(), new[key].as_i64());
                let tighter = match (was, is) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(was), Some(is)) => {
                        if upper {
                            is < was
                        } else {
                            is > was
                        }
                    }
                };
                if tighter {
                    self.breaking(format!("{at}: its {key} is {} and was {}", new[key], old[key]));
                }
            }
        }
    }

    fn members(&mut self, at: &str, old: &Value, new: &Value, written: Written) {
        let (members, members_now) = (object(&old["properties"]), object(&new["properties"]));
        let (needed, needed_now) = (words(&old["required"]), words(&new["required"]));
        for (name, was) in &members {
            match members_now.get(name) {
                None => self.breaking(format!("{at}.{name} is gone")),
                Some(is) => self.schema(&format!("{at}.{name}"), was, is, written),
            }
        }
        for name in members_now.keys().filter(|name| !members.contains_key(*name)) {
            match written == Written::ByClient && needed_now.contains(name) {
                true => self.breaking(format!("{at}.{name} is new and needed")),
                false => self.addition(format!("{at}.{name} is new")),
            }
        }
        let changed: Vec<_> = match written {
            Written::ByClient => needed_now.difference(&needed).filter(|name| members.contains_key(*name)).cloned().collect(),
            Written::ByUs => needed.difference(&needed_now).filter(|name| members_now.contains_key(*name)).cloned().collect(),
        };
        for name in changed {
            self.breaking(match written {
                Written::ByClient => format!("{at}.{name} is now needed"),
                Written::ByUs => format!("{at}.{name} may now be absent"),
            });
        }
    }
}

#[tokio::test]
async fn the_document_is_the_one_that_clients_know() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.body;
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    let kept = std::fs::read_to_string(KEPT).unwrap_or_else(|_| "{}".to_owned());
    let found = changes(&serde_json::from_str(&kept).unwrap(), &document);
    let told: String = found.iter().map(|change| format!("  {change}\n")).collect();
    let breaks = found.iter().any(|change| matches!(change, Change::Breaking(_)));
    match std::env::var(WRITE).ok().as_deref() {
        Some("breaking") => std::fs::write(KEPT, &text).unwrap(),
        Some("additions") if !breaks => std::fs::write(KEPT, &text).unwrap(),
        Some(other) => panic!("{WRITE}={other} does not write this:\n{told}"),
        None => assert!(
            kept == text,
            "docs/openapi.json is not what the doors say:\n{told}Write it with {WRITE}={} and tell of it in CHANGELOG.md",
            if breaks { "breaking" } else { "additions" },
        ),
    }
    app.finish().await;
}

/// What a change of the document means for a client.
#[tokio::test]
async fn a_change_that_breaks_clients_is_told_from_an_addition() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.body;
    app.finish().await;
    assert_eq!(changes(&document, &document), BTreeSet::new());
    let place = "/paths/~1api~1v1~1orders/post";
    let list = "/paths/~1api~1v1~1orders/get";
    let parameter = json!({ "name": "colour", "in": "query", "required": true, "schema": { "type": "string" } });
    let schema = "/components/schemas/";
    let order = format!("{schema}{}", name_of(&document, &format!("{place}/responses/201/content/application~1json/schema")));
    let input = format!("{schema}{}", name_of(&document, &format!("{place}/requestBody/content/application~1json/schema")));
    type Edit<'a> = &'a dyn Fn(&mut Value);
    let cases: &[(&str, &str, bool, Edit<'_>)] = &[
        ("/paths", "is gone", true, &|paths| drop(paths.as_object_mut().unwrap().remove("/api/v1/orders"))),
        ("/paths", "is new", false, &|paths| paths["/api/v2/orders"] = paths["/api/v1/orders"].clone()),
        (place, "is called", true, &|operation| operation["operationId"] = json!("order")),
        (place, "another permission", true, &|operation| operation["security"] = json!([{ "bearer": ["operator.admin"] }])),
        (list, "is new and needed", true, &|operation| operation["parameters"].as_array_mut().unwrap().push(parameter.clone())),
        (list, "is gone", true, &|operation| drop(operation["parameters"].as_array_mut().unwrap().remove(0))),
        (place, "201 is gone", true, &|operation| drop(operation["responses"].as_object_mut().unwrap().remove("201"))),
        (place, "takes no body", true, &|operation| drop(operation.as_object_mut().unwrap().remove("requestBody"))),
        (&order, "colour is new", false, &|schema| schema["properties"]["colour"] = json!({ "type": "string" })),
        (&order, "number is gone", true, &|schema| drop(schema["properties"].as_object_mut().unwrap().remove("number"))),
        (&order, "number is", true, &|schema| schema["properties"]["number"] = json!({ "type": "integer" })),
        (&order, "may now be absent", true, &|schema| schema["required"] = json!([])),
        (&input, "colour is new", false, &|schema| schema["properties"]["colour"] = json!({ "type": "string" })),
        (&input, "colour is new and needed", true, &|schema| {
            schema["properties"]["colour"] = json!({ "type": "string" });
            schema["required"].as_array_mut().unwrap().push(json!("colour"));
        }),
        (&input, "items is gone", true, &|schema| drop(schema["properties"].as_object_mut().unwrap().remove("items"))),
        (&input, "its maxItems", true, &|schema| schema["properties"]["items"]["maxItems"] = json!(1)),
    ];
    for (pointer, told, breaks, edit) in cases {
        let mut changed = document.clone();
        edit(changed.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing is at {pointer}")));
        let found = changes(&document, &changed);
        let hit = found.iter().find(|change| change.to_string().contains(told));
        let hit = hit.unwrap_or_else(|| panic!("{told}: {found:#?}"));
        assert_eq!(matches!(hit, Change::Breaking(_)), *breaks, "{hit}");
        assert_eq!(found.iter().any(|change| matches!(change, Change::Breaking(_))), *breaks, "{found:#?}");
    }
}

/// The name of the schema that is referred to at a place.
fn name_of(document: &Value, pointer: &str) -> String {
    let reference = document.pointer(pointer).and_then(|schema| schema["$ref"].as_str());
    reference.and_then(|reference| reference.rsplit('/').next()).unwrap_or_else(|| panic!("no reference at {pointer}")).to_owned()
}
