use super::*;

#[test]
fn codes_ascend_without_a_gap() {
    let codes: Vec<i16> = ERRORS.iter().map(|error| error.code.0).collect();
    assert_eq!(codes, (-1..=133).collect::<Vec<_>>());
}

#[test]
fn a_code_knows_its_row() {
    let code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert_eq!((code.0, code.name(), code.is_retriable()), (6, "NOT_LEADER_OR_FOLLOWER", true));
    assert_eq!(code.to_string(), "NOT_LEADER_OR_FOLLOWER (6)");
    assert!(!ErrorCode::INVALID_CONFIG.is_retriable());
    assert!(ErrorCode::NONE.is_none() && ErrorCode::default().is_none());
    assert_eq!(ErrorCode(999).name(), "UNKNOWN_SERVER_ERROR");
    assert_eq!(ErrorCode(999).to_string(), "error code 999");
}
