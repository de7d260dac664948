use super::*;
use crate::message::MESSAGES;

#[test]
fn keys_ascend_and_versions_are_ranges() {
    assert!(APIS.is_sorted_by(|a, b| a.key < b.key));
    for api in APIS {
        assert!(
            api.versions.contains(&api.stable) && *api.versions.start() <= api.stable,
            "{}",
            api.name
        );
        assert_eq!(api.key.to_string(), api.name);
    }
    assert_eq!(APIS.len(), 89);
    assert_eq!(ApiKey(4).api().map(|a| a.name), None);
    assert_eq!(ApiKey(-1).to_string(), "API -1");
}

#[test]
fn every_message_has_the_versions_of_its_api() {
    for message in MESSAGES.iter().filter(|m| m.api_key >= 0) {
        let api = ApiKey(message.api_key).api().expect("Kafka has it");
        assert!(message.name.starts_with(api.name), "{} {}", message.name, api.name);
        assert_eq!(
            (&message.versions, message.flexible),
            (&api.versions, api.flexible),
            "{}",
            api.name
        );
    }
}

#[test]
fn headers_follow_from_the_version() {
    let headers = |key, version| {
        (request_header_version(key, version), response_header_version(key, version))
    };
    assert_eq!(headers(ApiKey::PRODUCE, 8), (Some(1), Some(0)));
    assert_eq!(headers(ApiKey::PRODUCE, 9), (Some(2), Some(1)));
    assert_eq!(headers(ApiKey::API_VERSIONS, 3), (Some(2), Some(0)));
    assert_eq!(headers(ApiKey::SASL_HANDSHAKE, 1), (Some(1), Some(0)));
    assert_eq!(headers(ApiKey(5), 0), (None, None));
}
