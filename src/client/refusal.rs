//! An error code of the broker, as an error for people.

use sordini_wire::error::ErrorCode;
use std::fmt;

/// The broker understood a request and refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// What was wanted, as a half sentence: "create the topic orders".
    pub what: String,
    /// The broker's own explanation, if it gave one.
    pub why: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = self.why.as_deref().filter(|why| !why.is_empty());
        write!(f, "cannot {}: {}", self.what, why.unwrap_or(self.code.message()))?;
        write!(f, " ({} {})", self.code.name(), self.code.0)?;
        match remedy(self.code, why.is_some()) {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// `Ok` if the code is that of success; else the refusal, as an error that can be downcast.
pub fn accepted(code: i16, why: Option<&str>, what: impl FnOnce() -> String) -> anyhow::Result<()> {
    match ErrorCode(code) {
        ErrorCode::NONE => Ok(()),
        code => Err(Refusal { code, what: what(), why: why.map(str::to_owned) }.into()),
    }
}

/// What to do about it, where that is not plain from the error or its explanation.
fn remedy(code: ErrorCode, is_explained: bool) -> Option<&'static str> {
    Some(match code {
        ErrorCode::KAFKA_STORAGE_ERROR if !is_explained => {
            "a full disk is one cause, a file that cannot be read another: the broker's log names it"
        }
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "`sordini topic list` shows what there is",
        ErrorCode::TOPIC_ALREADY_EXISTS => "use another name, or --if-not-exists",
        ErrorCode::INVALID_CONFIG => "`sordini topic describe NAME` shows the configs of a topic",
        ErrorCode::MESSAGE_TOO_LARGE => {
            "send smaller records, or raise max.message.bytes of the topic"
        }
        ErrorCode::OFFSET_OUT_OF_RANGE => {
            "`sordini topic describe NAME` shows the first and the next offset"
        }
        ErrorCode::NOT_ENOUGH_REPLICAS => {
            "min.insync.replicas of the topic exceeds the replicas in sync"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_wish_the_reason_and_the_code() {
        let refused =
            accepted(36, Some("Topic 'a' already exists."), || "create the topic a".into());
        assert_eq!(
            refused.unwrap_err().to_string(),
            "cannot create the topic a: Topic 'a' already exists. (TOPIC_ALREADY_EXISTS 36); use \
             another name, or --if-not-exists"
        );
        let full = |why| accepted(56, why, || "produce".into()).unwrap_err().to_string();
        assert!(full(None).ends_with("the broker's log names it"));
        assert!(
            full(Some("the disk is full")).ends_with("the disk is full (KAFKA_STORAGE_ERROR 56)")
        );
        assert!(accepted(0, None, || unreachable!()).is_ok());
    }
}
