//! One row per configuration key: everything that is known of the key stands there and nowhere else.
//!
//! The rows drive parsing, checking, DescribeConfigs, the documentation, and the simulator's changes of topics'
//! settings, which are drawn from [`Row::nasty`]. [`TOPIC`] holds what can be set on a topic, [`BROKER`] what this broker obeys,
//! [`INERT`] what it does not: Kafka's own keys that Kafka's tools and files mention.

mod broker;
mod inert;
mod topic;

pub use broker::BROKER;
pub use inert::INERT;
pub use topic::TOPIC;

/// Type of a value, with Kafka's number for it in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`, in any case.
    Boolean = 1,
    /// Text without spaces around it.
    String = 2,
    /// 32 bits, signed.
    Int = 3,
    /// 16 bits, signed.
    Short = 4,
    /// 64 bits, signed.
    Long = 5,
    /// A floating-point number.
    Double = 6,
    /// Texts, separated by commas; an empty value is the empty list.
    List = 7,
    /// The name of a Java class.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Type::Boolean => "BOOLEAN",
            Type::String => "STRING",
            Type::Int => "INT",
            Type::Short => "SHORT",
            Type::Long => "LONG",
            Type::Double => "DOUBLE",
            Type::List => "LIST",
            Type::Class => "CLASS",
            Type::Password => "PASSWORD",
        }
    }
}

/// What a value of the right type must satisfy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// Nothing.
    Any,
    /// A number not below this one.
    Min(i64),
    /// A number within these, inclusive.
    Range(i64, i64),
    /// -1, or a number from 1 to 9.
    GzipLevel,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Every element one of these texts.
    Each(&'static [&'static str]),
    /// `*`, or elements `partition:broker`.
    Replicas,
    /// `false` and nothing else: the feature behind it does not exist here.
    Off,
}

/// Who may change a broker's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only a restart.
    ReadOnly,
    /// IncrementalAlterConfigs on one broker.
    PerBroker,
    /// IncrementalAlterConfigs on one broker or on the default of all.
    ClusterWide,
}

/// A broker's key from which a topic's key takes its value, and the factor between the two.
pub type Source = (&'static str, i64);

/// A configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Name.
    pub name: &'static str,
    /// Type of its value.
    pub kind: Type,
    /// Value where nobody sets it; none is no value at all.
    pub default: Option<&'static str>,
    /// What a value must satisfy.
    pub check: Check,
    /// For a topic's key, the broker's keys that decide where the topic says nothing, nearest first.
    pub sources: &'static [Source],
    /// For a broker's key, who may change it.
    pub mode: Mode,
    /// A legal value that hurts. The simulator sets those of topics; empty where none would.
    pub nasty: &'static str,
    /// What it does.
    pub doc: &'static str,
}

/// Why a value is none for its key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid value {value} for configuration {name}: {why}")]
pub struct ValueError {
    /// The key.
    pub name: String,
    /// What came.
    pub value: String,
    /// What was expected.
    pub why: String,
}

/// A value, parsed.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // a variant is its type
pub enum Value {
    Boolean(bool),
    Number(i64),
    Double(f64),
    Text(String),
    List(Vec<String>),
}

/// As Kafka shows it.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Boolean(b) => b.fmt(f),
            Value::Number(n) => n.fmt(f),
            Value::Double(d) if d.abs() >= 1e16 => write!(f, "{d:E}"),
            Value::Double(d) => write!(f, "{d:?}"),
            Value::Text(t) => f.write_str(t),
            Value::List(l) => f.write_str(&l.join(",")),
        }
    }
}

impl Row {
    /// Whether values of this key are never shown.
    pub fn sensitive(&self) -> bool {
        self.kind == Type::Password
    }

    /// Whether this is a key of ours that Kafka does not have.
    pub fn ours(&self) -> bool {
        matches!(self.name, "flush" | "log.flush") || self.name.starts_with("journal.")
    }

    /// Reads and checks a value as Kafka does: spaces around it do not count.
    pub fn parse(&self, value: &str) -> Result<Value, ValueError> {
        let parsed = self.parse_type(value.trim());
        let parsed = parsed.map_err(|why| self.error(value.to_owned(), why))?;
        match self.complaint(&parsed) {
            None => Ok(parsed),
            Some((culprit, why)) => Err(self.error(culprit, why)),
        }
    }

    fn error(&self, value: String, why: String) -> ValueError {
        ValueError { name: self.name.to_owned(), value, why }
    }

    fn parse_type(&self, text: &str) -> Result<Value, String> {
        let number = |range: std::ops::RangeInclusive<i64>| {
            let parsed = text.parse::<i64>().ok().filter(|n| range.contains(n));
            parsed
                .map(Value::Number)
                .ok_or_else(|| format!("Not a number of type {}", self.kind.name()))
        };
        match self.kind {
            Type::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Type::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Type::Boolean => Err("Expected value to be either true or false".into()),
            Type::Short => number(i64::from(i16::MIN)..=i64::from(i16::MAX)),
            Type::Int => number(i64::from(i32::MIN)..=i64::from(i32::MAX)),
            Type::Long => number(i64::MIN..=i64::MAX),
            Type::Double => match text.parse::<f64>() {
                Ok(d) => Ok(Value::Double(d)),
                Err(_) => Err("Not a number of type DOUBLE".into()),
            },
            Type::List if text.is_empty() => Ok(Value::List(Vec::new())),
            Type::List => Ok(Value::List(text.split(',').map(|e| e.trim().to_owned()).collect())),
            Type::String | Type::Class | Type::Password => Ok(Value::Text(text.to_owned())),
        }
    }

    /// What is wrong with a value: the part of it, and why.
    fn complaint(&self, value: &Value) -> Option<(String, String)> {
        let one_of = |text: &str, allowed: &[&str]| {
            let known = allowed.contains(&text);
            let why = || format!("String must be one of: {}", allowed.join(", "));
            (!known).then(|| (text.to_owned(), why()))
        };
        let why = match (self.check, value) {
            (Check::Min(min) | Check::Range(min, _), Value::Number(n)) if *n < min => {
                format!("Value must be at least {min}")
            }
            (Check::Range(_, max), Value::Number(n)) if *n > max => {
                format!("Value must be no more than {max}")
            }
            (Check::Range(min, _), Value::Double(d)) if d.is_nan() || *d < min as f64 => {
                format!("Value must be at least {min}")
            }
            (Check::Range(_, max), Value::Double(d)) if *d > max as f64 => {
                format!("Value must be no more than {max}")
            }
            (Check::GzipLevel, Value::Number(n)) if *n != -1 && !(1..=9).contains(n) => {
                "Value must be between 1 and 9 or equal to -1".into()
            }
            (Check::OneOf(allowed), Value::Text(text)) => return one_of(text, allowed),
            (Check::Each(allowed), Value::List(list)) => {
                return list.iter().find_map(|text| one_of(text, allowed));
            }
            (Check::Replicas, Value::List(list)) if !replicas(list) => {
                "must be the literal '*' or a list of replicas in the form partition:broker".into()
            }
            (Check::Off, Value::Boolean(true)) => "this broker has no tiered storage".into(),
            _ => return None,
        };
        Some((value.to_string(), why))
    }
}

fn replicas(list: &[String]) -> bool {
    let pair = |text: &String| {
        let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        text.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker))
    };
    matches!(list, [star] if star == "*") || list.iter().all(pair)
}

/// The row of a topic's key.
pub fn topic(name: &str) -> Option<&'static Row> {
    find(TOPIC, name)
}

/// The row of a broker's key, obeyed or not.
pub fn broker(name: &str) -> Option<&'static Row> {
    find(BROKER, name).or_else(|| find(INERT, name))
}

/// Whether something follows from a broker's key.
pub fn obeyed(name: &str) -> bool {
    find(BROKER, name).is_some()
}

fn find(rows: &'static [Row], name: &str) -> Option<&'static Row> {
    rows.binary_search_by(|row| row.name.cmp(name)).ok().map(|i| &rows[i])
}

#[cfg(test)]
mod tests;
