//! The configuration as operators write it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use kernel::Rate;

use super::*;

const FILE: &str = "yunshi.toml";

fn file(text: &str) -> Result<Loaded, ConfigError> {
    from(Some((Path::new(FILE), text)), [])
}

fn variables(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    from(None, pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())))
}

fn shown(config: &Config) -> BTreeMap<&'static str, Option<String>> {
    ALL.iter().map(|setting| (setting.key, (setting.show)(config))).collect()
}

/// For every setting a value other than its default: as TOML, and as the text of a variable.
fn another_value(key: &str) -> (&'static str, &'static str) {
    match key {
        "listen" => (r#""0.0.0.0:80""#, "0.0.0.0:80"),
        "public_url" => (r#""https://market.example""#, "https://market.example"),
        "data_dir" => (r#""/var/lib/yunshi""#, "/var/lib/yunshi"),
        "database_url" => (r#""postgres://yunshi:secret@db:5432/yunshi""#, "postgres://yunshi:secret@db:5432/yunshi"),
        "database_ca_file" => (r#""/etc/db.pem""#, "/etc/db.pem"),
        "database_connections" => ("20", "20"),
        "mode" => (r#""sandbox""#, "sandbox"),
        "master_key" => (r#""00ff""#, "00ff"),
        "master_key_file" => (r#""/run/secrets/key""#, "/run/secrets/key"),
        "log" => (r#""warn,market=debug""#, "warn,market=debug"),
        "log_format" => (r#""json""#, "json"),
        "threads" => ("3", "3"),
        "trusted_proxies" => (r#"["10.0.0.0/8", "::1/128"]"#, "10.0.0.0/8, ::1/128"),
        "body_bytes_max" => ("65536", "65_536"),
        "request_timeout_seconds" => ("7", "7"),
        "sign_ins_per_minute" => ("3", "3"),
        "requests_per_second" => ("4", "4"),
        "requests_burst" => ("5", "5"),
        "requests_at_once" => ("6", "6"),
        "work_in_serve" => ("false", "false"),
        "worker_concurrency" => ("6", "6"),
        "lane_concurrency" => ("2", "2"),
        "allow_private_addresses" => ("true", "true"),
        "call_timeout_ms" => ("250", "250"),
        "extra_ca_file" => (r#""/etc/ca.pem""#, "/etc/ca.pem"),
        "edition.kind" => (r#""INTL""#, "INTL"),
        "edition.currency" => (r#""EUR""#, "EUR"),
        "edition.zone" => (r#""Europe/Berlin""#, "Europe/Berlin"),
        "edition.holidays" => (r#"["2026-10-01", "2026-10-02"]"#, "2026-10-01,2026-10-02"),
        "edition.worked_weekends" => (r#"["2026-10-10"]"#, "2026-10-10"),
        "edition.tax_software_bp" => ("1200", "1200"),
        "edition.tax_service_bp" => ("700", "700"),
        "edition.fee_common_bp" => ("400", "400"),
        "edition.fee_steps" => (r#"["1000:50", "2000:75"]"#, "1000:50,2000:75"),
        "edition.order_unpaid_days" => ("8", "8"),
        "edition.change_unpaid_minutes" => ("30", "30"),
        "edition.grace_days" => ("1", "1"),
        "edition.renewal_change_days" => ("20", "20"),
        "edition.retention_days" => ("16", "16"),
        "edition.auto_renew_days" => ("6", "6"),
        "edition.auto_renew_hour" => ("4", "4"),
        "edition.reminder_days" => ("[10, 5]", "10,5"),
        "edition.reminder_hour" => ("11", "11"),
        "edition.renewal_failure_days" => ("[4]", "4"),
        "edition.release_notice_days" => ("[]", ","),
        "edition.refund_days" => ("4", "4"),
        "edition.refund_quota" => ("9", "9"),
        "edition.refund_large_minor" => ("70000", "70_000"),
        "edition.refund_review_hours" => ("48", "48"),
        "edition.failed_orders_max" => ("6", "6"),
        "edition.settle_day" => ("4", "4"),
        "edition.settle_hour" => ("5", "5"),
        "edition.payout_min_minor" => ("50000", "50_000"),
        "edition.users_max" => ("60", "60"),
        other => unreachable!("the setting {other} has no other value in this test"),
    }
}

#[test]
fn every_setting_can_be_written_in_the_file_and_as_a_variable() {
    let defaults = shown(&Config::default());
    for setting in ALL {
        let (toml, text) = another_value(setting.key);
        let in_file = file(&match setting.key.strip_prefix("edition.") {
            Some(name) => format!("[edition]\n{name} = {toml}\n"),
            None => format!("{} = {toml}\n", setting.key),
        })
        .unwrap();
        let variable = setting.variable();
        let in_environment = variables(&[(&variable, text)]).unwrap();

        assert_eq!(in_file.config, in_environment.config, "{}", setting.key);
        assert_ne!(in_file.config, Config::default(), "{} changes something", setting.key);
        assert_ne!(shown(&in_file.config)[setting.key], defaults[setting.key], "{} is shown", setting.key);
        assert_eq!(in_file.origin(setting), &Origin::File(FILE.into()));
        assert_eq!(in_environment.origin(setting), &Origin::Variable(variable));
        assert_eq!(in_environment.warnings, [] as [&str; 0]);
    }
}

#[test]
fn every_number_of_the_edition_is_a_setting() {
    // A new number does not compile here until it is one.
    let Edition {
        kind: _,
        currency: _,
        zone: _,
        working_days: _,
        tax_software: _,
        tax_service: _,
        fee_common: _,
        fee_steps: _,
        order_unpaid_days: _,
        change_unpaid_minutes: _,
        grace_days: _,
        renewal_change_days: _,
        retention_days: _,
        auto_renew_days: _,
        auto_renew_hour: _,
        reminder_days: _,
        reminder_hour: _,
        renewal_failure_days: _,
        release_notice_days: _,
        refund_days: _,
        refund_quota: _,
        refund_large_minor: _,
        refund_review_hours: _,
        failed_orders_max: _,
        settle_day: _,
        settle_hour: _,
        payout_min_minor: _,
        users_max: _,
    } = Edition::defaults(EditionKind::Cn);
    // Twenty-eight numbers, of which the calendar is two lists.
    assert_eq!(ALL.iter().filter(|setting| setting.key.starts_with("edition.")).count(), 29);
}

#[test]
fn the_console_names_the_numbers_as_the_file_does() {
    for number in market::site::ALL {
        assert!(ALL.iter().any(|setting| setting.key.strip_prefix("edition.") == Some(number.key)), "{}", number.key);
    }
    let kept_for_good = ["kind", "currency", "zone"];
    for key in ALL.iter().filter_map(|setting| setting.key.strip_prefix("edition.")) {
        assert!(kept_for_good.contains(&key) || market::site::named(key).is_some(), "{key} cannot be set in the console");
    }
}

#[test]
fn the_documented_variables_are_there() {
    let names: Vec<String> = ALL.iter().map(Setting::variable).collect();
    for name in [
        "YUNSHI_LISTEN",
        "YUNSHI_DATA_DIR",
        "YUNSHI_DATABASE_URL",
        "YUNSHI_DATABASE_CA_FILE",
        "YUNSHI_MODE",
        "YUNSHI_EDITION",
        "YUNSHI_MASTER_KEY",
        "YUNSHI_MASTER_KEY_FILE",
        "YUNSHI_ALLOW_PRIVATE_ADDRESSES",
        "YUNSHI_PUBLIC_URL",
        "YUNSHI_LOG",
    ] {
        assert!(names.iter().any(|it| it == name), "{name}");
    }
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), ALL.len(), "no two settings share a variable");
}

/// Written by `YUNSHI_TEST_WRITE_SAMPLE=1 cargo test -p yunshi sample`.
#[test]
fn the_sample_file_names_every_setting_with_its_default() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/yunshi.toml");
    let text = sample_text();
    if std::env::var_os("YUNSHI_TEST_WRITE_SAMPLE").is_some() {
        fs::write(path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), text, "docs/yunshi.toml is older than the settings");
    assert_eq!(file(&text).unwrap().config, Config::default());

    // With every line in force it is still a configuration; only the two ways to give a master key exclude each other.
    let in_force: String =
        text.lines().map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n").collect();
    let in_force = in_force.replace("master_key_file =", "#");
    let loaded = file(&in_force).unwrap();
    for setting in ALL.iter().filter(|setting| setting.key != "master_key_file") {
        assert_eq!(loaded.origin(setting), &Origin::File(FILE.into()), "{}", setting.key);
    }
}

#[test]
fn a_variable_goes_before_the_file_and_the_file_before_the_default() {
    let text = "listen = \"127.0.0.1:1\"\n[edition]\nkind = \"INTL\"\nsettle_day = 9\n";
    let both = from(Some((Path::new(FILE), text)), [("YUNSHI_LISTEN".to_owned(), "127.0.0.1:2".to_owned())]).unwrap();
    assert_eq!(both.config.listen, "127.0.0.1:2".parse().unwrap());
    assert_eq!(both.config.edition.settle_day, 9, "a number goes before the default of its edition");
    assert_eq!(both.config.edition.fee_common, Rate::bp(1_300), "the other numbers are the edition's");
    let emptied = from(Some((Path::new(FILE), text)), [("YUNSHI_LISTEN".to_owned(), String::new())]).unwrap();
    assert_eq!(emptied.config.listen, "127.0.0.1:1".parse().unwrap(), "an empty variable is none");
}

#[test]
fn an_edition_of_a_variable_does_not_undo_numbers_of_the_file() {
    let text = "[edition]\nsettle_day = 9\n";
    let loaded = from(Some((Path::new(FILE), text)), [("YUNSHI_EDITION".to_owned(), "INTL".to_owned())]).unwrap();
    assert_eq!((loaded.config.edition.kind, loaded.config.edition.settle_day), (EditionKind::Intl, 9));
    assert_eq!(loaded.config.zone, "UTC");
}

#[test]
fn the_names_of_zones_are_those_of_the_editions() {
    for &kind in EditionKind::ALL {
        let mut config = Config::default();
        config.take_edition(kind);
        assert_eq!(kernel::Zone::named(&config.zone).unwrap(), config.edition.zone);
    }
}

#[test]
fn what_is_wrong_is_said_with_the_place_and_what_to_do() {
    let cases = [
        ("lisen = \"x\"", r#"yunshi.toml: unknown setting "lisen", did you mean "listen"?"#),
        ("[edition]\nsettel_day = 3", r#"yunshi.toml: unknown setting "edition.settel_day", did you mean "edition.settle_day"?"#),
        ("settle_day = 3", r#"yunshi.toml: unknown setting "settle_day", did you mean "edition.settle_day"?"#),
        ("edition = \"CN\"", "yunshi.toml: edition is a table, so write a line [edition] and kind = … below it"),
        ("[mail]\nfrom = \"a\"", r#"yunshi.toml: unknown setting "mail", see docs/yunshi.toml for the names of all settings"#),
        ("listen = 80", "yunshi.toml: listen: expected text in quotes, not a whole number"),
        ("listen = \"80\"", "yunshi.toml: listen: expected an address and a port such as 127.0.0.1:8080"),
        ("mode = \"test\"", r#"yunshi.toml: mode: "test" is not one of production, sandbox"#),
        ("[edition]\nsettle_day = 31", "yunshi.toml: edition.settle_day: 31 is not in the range 1 to 28"),
        ("[edition]\nreminder_days = [1, 3]", "yunshi.toml: edition.reminder_days: the days must be descending, each once"),
        (
            "[edition]\nholidays = [\"2026-02-30\"]",
            r#"edition.holidays, edition.worked_weekends: "2026-02-30" is not a date of the form 2026-10-01"#,
        ),
        ("[edition]\nfee_common_bp = 50", "edition.fee_steps: no reduction may be larger than edition.fee_common_bp"),
        (
            "database_url = \"mysql://x\"",
            "yunshi.toml: database_url: a database is named sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME",
        ),
        ("public_url = \"market.example\"", "yunshi.toml: public_url: relative URL without a base"),
        ("master_key = \"a\"\nmaster_key_file = \"b\"", "master_key and master_key_file are both set, keep one of them"),
    ];
    for (text, expected) in cases {
        assert_eq!(file(text).unwrap_err().to_string(), expected, "{text}");
    }
    assert!(file("listen = ").unwrap_err().to_string().starts_with("yunshi.toml is not TOML: "));
    let error = variables(&[("YUNSHI_EDITION_GRACE_DAYS", "soon")]).unwrap_err();
    assert_eq!(error.to_string(), r#"variable YUNSHI_EDITION_GRACE_DAYS: "soon" is not a whole number"#);
}

#[test]
fn an_unknown_variable_is_a_warning_because_containers_make_such() {
    let loaded = variables(&[("YUNSHI_LISTN", "127.0.0.1:1"), ("YUNSHI_TEST_ENGINE", "sqlite"), ("HOME", "/")]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, [r#"the variable YUNSHI_LISTN is no setting and was ignored; did you mean "YUNSHI_LISTEN"?"#]);
}

#[test]
fn no_secret_is_shown() {
    let loaded = file("database_url = \"postgres://u:topsecret@h/d\"\nmaster_key = \"topsecret\"").unwrap();
    let everything = format!("{:?}{:?}", shown(&loaded.config), loaded.config.master_key);
    assert!(!everything.contains("topsecret"), "{everything}");
}
