//! ApiVersions (key 18, versions 0-4): which APIs and versions the broker speaks.
//!
//! 1: throttle time. 3: flexible; the client names its software (KIP-511), features (KIP-584). 4: features with minimum 0 (KIP-1022).
//!
//! The answer's header is always version 0, and a version that the broker does not know is answered in
//! version 0 with UNSUPPORTED_VERSION and the range that it does know: the client cannot know better before.

use super::{Stop, TABLE};
use crate::gather::Call;
use crate::node::{Node, Step};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};

/// The API key.
pub const KEY: i16 = 18;

/// Serves a request.
pub fn handle(
    node: &mut Node,
    _step: &mut Step<'_>,
    call: Call,
    request: ApiVersionsRequest,
) -> Result<(), Stop> {
    let software = [&request.client_software_name, &request.client_software_version];
    let answer = if call.version >= 3 && software.iter().any(|s| !is_software(s)) {
        let error_code = ErrorCode::INVALID_REQUEST.0;
        ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() }
    } else {
        ApiVersionsResponse { api_keys: all(), ..ApiVersionsResponse::default() }
    };
    node.reply(call, &answer);
    Ok(())
}

/// Answers a version that is not known.
pub fn refuse(node: &mut Node, call: Call) {
    let known = all().into_iter().filter(|a| a.api_key == KEY).collect();
    let answer = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.0,
        api_keys: known,
        ..ApiVersionsResponse::default()
    };
    node.reply(Call { version: 0, ..call }, &answer);
}

fn all() -> Vec<ApiVersion> {
    TABLE
        .iter()
        .map(|row| ApiVersion {
            api_key: row.key,
            min_version: *row.advertised.start(),
            max_version: *row.advertised.end(),
            ..ApiVersion::default()
        })
        .collect()
}

/// KIP-511: letters and digits at both ends, also `-` and `.` between.
fn is_software(name: &str) -> bool {
    let ends = name.chars().next().into_iter().chain(name.chars().next_back());
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !name.is_empty()
        && ends.into_iter().all(|c| c.is_ascii_alphanumeric())
        && name.chars().all(inner)
}
