//! Settings from the environment and from configuration files.

use std::collections::HashMap;
use std::time::Duration;

use omniq::{Backoff, Durability, ErrorKind, LogLevel, Result, Serializer, Settings};

fn from(variables: &[(&str, &str)]) -> Result<Settings> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Settings::from_lookup(|name| variables.get(name).map(|value| (*value).to_owned()))
}

/// Displays the setting of a variable.
type Display = fn(&Settings) -> String;

struct Variable {
    name: &'static str,
    default: &'static str,
    display: Display,
    /// Each value, and how its setting is displayed.
    valid: &'static [(&'static str, &'static str)],
    invalid: &'static [&'static str],
    /// A part of the error text that says what is allowed.
    allowed: &'static str,
}

fn span(span: Duration) -> String {
    span.as_secs_f64().to_string()
}

const SPANS: &[&str] = &["-1", "x", "1s", "NaN", "inf", "1e400"];
const COUNTS: &[&str] = &["0", "-1", "1.5", "x", "99999999999"];

const VARIABLES: [Variable; 16] = [
    Variable {
        name: "OMNIQ_BACKEND",
        default: "None",
        display: |s| format!("{:?}", s.url()),
        valid: &[
            ("sqlite", "None"),
            ("memory", "Some(\"memory:\")"),
            (" Memory ", "Some(\"memory:\")"),
            ("file", "Some(\"file:./omniq_data\")"),
        ],
        invalid: &["redis", "mem", "files"],
        allowed: "sqlite, file or memory",
    },
    Variable {
        name: "OMNIQ_DB_URL",
        default: "None",
        display: |s| format!("{:?}", s.url()),
        valid: &[
            ("sqlite:///a.db", "Some(\"sqlite:///a.db\")"),
            (" memory: ", "Some(\"memory:\")"),
            ("file:a", "Some(\"file:a\")"),
        ],
        invalid: &["sqlite://a.db", "mysql://host/db"],
        allowed: "sqlite:///",
    },
    Variable {
        name: "OMNIQ_BASE_DIR",
        default: "./omniq_data",
        display: |s| s.base_dir().display().to_string(),
        valid: &[("/var/lib/omniq", "/var/lib/omniq"), (" a b ", "a b")],
        invalid: &[],
        allowed: "",
    },
    Variable {
        name: "OMNIQ_DEFAULT_TIMEOUT",
        default: "Some(300s)",
        display: |s| format!("{:?}", s.timeout()),
        valid: &[
            ("5", "Some(5s)"),
            ("0.5", "Some(500ms)"),
            ("none", "None"),
            ("None", "None"),
        ],
        invalid: &["0", "-1", "x", "5s", "inf"],
        allowed: "none for no limit",
    },
    Variable {
        name: "OMNIQ_DEFAULT_MAX_ATTEMPTS",
        default: "3",
        display: |s| s.max_attempts().to_string(),
        valid: &[("1", "1"), (" 7 ", "7")],
        invalid: COUNTS,
        allowed: "at least 1",
    },
    Variable {
        name: "OMNIQ_DEFAULT_MAX_RETRIES",
        default: "3",
        display: |s| s.max_attempts().to_string(),
        valid: &[("1", "1"), ("7", "7")],
        invalid: COUNTS,
        allowed: "at least 1",
    },
    Variable {
        name: "OMNIQ_RESULT_TTL",
        default: "86400",
        display: |s| span(s.result_ttl()),
        valid: &[("0", "0"), ("60", "60")],
        invalid: SPANS,
        allowed: "seconds",
    },
    Variable {
        name: "OMNIQ_FAILED_TTL",
        default: "2592000",
        display: |s| span(s.failed_ttl()),
        valid: &[("0", "0"), ("60.5", "60.5")],
        invalid: SPANS,
        allowed: "seconds",
    },
    Variable {
        name: "OMNIQ_SERIALIZER",
        default: "Json",
        display: |s| format!("{:?}", s.serializer()),
        valid: &[("json", "Json"), ("msgspec", "Json"), ("JSON", "Json")],
        invalid: &["cloudpickle", "pickle", "yaml"],
        allowed: "json",
    },
    Variable {
        name: "OMNIQ_DURABILITY",
        default: "Full",
        display: |s| format!("{:?}", s.durability()),
        valid: &[("full", "Full"), ("Normal", "Normal")],
        invalid: &["half", "1"],
        allowed: "full or normal",
    },
    Variable {
        name: "OMNIQ_LEASE",
        default: "30",
        display: |s| span(s.lease()),
        valid: &[("0.001", "0.001"), (" 10 ", "10")],
        invalid: &["0", "0.0001", "-1", "x"],
        allowed: "at least 0.001",
    },
    Variable {
        name: "OMNIQ_POLL_INTERVAL",
        default: "1",
        display: |s| span(s.poll_interval()),
        valid: &[("0.25", "0.25"), ("10", "10")],
        invalid: &["0", "-1", "x"],
        allowed: "at least 0.001",
    },
    Variable {
        name: "OMNIQ_GRACE",
        default: "30",
        display: |s| span(s.grace()),
        valid: &[("0", "0"), ("2.5", "2.5")],
        invalid: SPANS,
        allowed: "seconds",
    },
    Variable {
        name: "OMNIQ_PREFETCH",
        default: "None",
        display: |s| format!("{:?}", s.prefetch()),
        valid: &[("0", "Some(0)"), ("10000", "Some(10000)")],
        invalid: &["-1", "10001", "x"],
        allowed: "0 to 10000",
    },
    Variable {
        name: "OMNIQ_MAX_CRASHES",
        default: "3",
        display: |s| s.max_crashes().to_string(),
        valid: &[("1", "1"), ("50", "50")],
        invalid: COUNTS,
        allowed: "at least 1",
    },
    Variable {
        name: "OMNIQ_MAX_PAYLOAD",
        default: "1048576",
        display: |s| s.max_payload().to_string(),
        valid: &[("1", "1"), ("536870912", "536870912")],
        invalid: &["0", "536870913", "1M", "-1"],
        allowed: "1 to 536870912",
    },
];

#[test]
fn each_variable_is_read_and_an_invalid_value_is_reported_with_what_is_allowed() {
    for variable in VARIABLES {
        let Variable { name, display, .. } = variable;
        for unset in [&[][..], &[(name, "")], &[(name, "  ")]] {
            assert_eq!(display(&from(unset).unwrap()), variable.default, "{name}");
        }
        for (value, expected) in variable.valid {
            let settings = from(&[(name, value)]).unwrap();
            assert_eq!(&display(&settings), expected, "{name}={value}");
        }
        for value in variable.invalid {
            let error = from(&[(name, value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Settings);
            let text = error.to_string();
            for part in [name, variable.allowed] {
                assert!(text.contains(part), "{name}={value}: {text}");
            }
        }
    }
}

#[test]
fn log_levels_may_have_the_names_of_python_and_of_tracing() {
    let level = |text: &str| from(&[("OMNIQ_LOG_LEVEL", text)]).map(|s| s.log_level().to_string());
    for (text, expected) in [
        ("", "info"),
        ("DEBUG", "debug"),
        ("Warning", "warn"),
        ("CRITICAL", "error"),
        (" warn , omniq=TRACE", "warn,omniq=trace"),
    ] {
        assert_eq!(level(text).unwrap(), expected, "{text}");
    }
    for wrong in [
        "LOUD",
        "omniq=loud",
        "=debug",
        "debug,",
        "omniq[task]=debug",
    ] {
        let text = level(wrong).unwrap_err().to_string();
        assert!(
            text.contains("OMNIQ_LOG_LEVEL") && text.contains("WARNING"),
            "{text}"
        );
    }
    assert_eq!(LogLevel::default().as_str(), "info");
}

#[test]
fn one_error_reports_all_invalid_variables() {
    let error = from(&[
        ("OMNIQ_LEASE", "soon"),
        ("OMNIQ_DURABILITY", "half"),
        ("OMNIQ_DB_URL", "mysql://me:secret@host/db"),
        ("OMNIQ_GRACE", "5"),
        ("OMNIQ_DEFAULT_MAX_ATTEMPTS", "2"),
        ("OMNIQ_DEFAULT_MAX_RETRIES", "3"),
    ]);
    let text = error.unwrap_err().to_string();
    let expected = [
        "OMNIQ_LEASE is \"soon\"",
        "OMNIQ_DURABILITY is \"half\"",
        "OMNIQ_DB_URL",
        "both mean the total number",
    ];
    for part in expected {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(
        !text.contains("OMNIQ_GRACE") && !text.contains("secret"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1 + expected.len(), "{text}");
}

#[test]
fn variables_with_the_same_meaning_must_agree() {
    let equal = [
        ("OMNIQ_DEFAULT_MAX_ATTEMPTS", "4"),
        ("OMNIQ_DEFAULT_MAX_RETRIES", "4"),
    ];
    assert_eq!(from(&equal).unwrap().max_attempts(), 4);
    let equal = [("OMNIQ_BACKEND", "memory"), ("OMNIQ_DB_URL", "memory:")];
    assert_eq!(from(&equal).unwrap().url(), Some("memory:"));
    let different = [
        ("OMNIQ_BACKEND", "memory"),
        ("OMNIQ_DB_URL", "sqlite:///a.db"),
    ];
    let text = from(&different).unwrap_err().to_string();
    assert!(
        text.contains("OMNIQ_BACKEND is memory") && text.contains("names sqlite"),
        "{text}"
    );
}

#[test]
fn every_setting_survives_being_written_to_a_file_and_read_back() {
    let settings = Settings::builder()
        .url("sqlite:///a.db")
        .base_dir("/data")
        .queue("images")
        .max_attempts(5)
        .timeout(None)
        .backoff(Backoff::Fixed(Duration::from_millis(1500)))
        .serializer(Serializer::Json)
        .max_payload(77)
        .durability(Durability::Normal)
        .poll_interval(Duration::from_millis(250))
        .result_ttl(Duration::from_secs(60))
        .failed_ttl(Duration::ZERO)
        .lease(Duration::from_secs(10))
        .grace(Duration::from_secs(1))
        .prefetch(9)
        .max_crashes(4)
        .log_level("debug".parse().unwrap())
        .build()
        .unwrap();
    let without_limits = Settings::builder()
        .timeout(Duration::MAX)
        .result_ttl(Duration::MAX)
        .grace(Duration::MAX)
        .build()
        .unwrap();
    for settings in [settings, without_limits, Settings::default()] {
        let text = serde_json::to_string(&settings).unwrap();
        let back: Settings = serde_json::from_str(&text).unwrap();
        assert_eq!(back, settings, "{text}");
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(
            toml::from_str::<Settings>(&text).unwrap(),
            settings,
            "{text}"
        );
    }
    assert_eq!(
        serde_json::from_str::<Settings>("{}").unwrap(),
        Settings::default()
    );
}

#[test]
fn a_file_with_an_invalid_value_or_name_is_refused() {
    let cases = [
        (r#"{"lease": 0}"#, "lease"),
        (r#"{"leese": 10}"#, "leese"),
        (r#"{"timeout": "never"}"#, "none"),
        (r#"{"url": "sqlite://a.db"}"#, "sqlite:///a.db"),
        (r#"{"log_level": "LOUD"}"#, "log_level"),
    ];
    for (text, expected) in cases {
        let error = serde_json::from_str::<Settings>(text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{expected} in {error}");
    }
}

#[test]
fn debug_output_hides_the_password_of_a_url() {
    let url = "postgres://me:secret@host/db?password=secret";
    let text = format!("{:?}", Settings::builder().url(url));
    assert!(
        !text.contains("secret") && text.contains("postgres://…@host/db"),
        "{text}"
    );
}
