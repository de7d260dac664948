//! What stands in front of every request and every response.
//!
//! Which version of the header a request has follows from its API and version:
//! [`crate::api::Api::request_header_version`], [`crate::api::Api::response_header_version`].
//!
//! | header | version | what it changed |
//! |---|---|---|
//! | request | 1 | client id |
//! | request | 2 | tagged fields (KIP-482) |
//! | response | 0 | the first |
//! | response | 1 | tagged fields (KIP-482) |
//!
//! The client id keeps its classic length in request header 2, so that a broker can read it before
//! it has looked at the version.

crate::messages! {
    /// In front of every request.
    struct RequestHeader: key -1, versions [1-2], flexible [2+] {
        /// Key of the API.
        request_api_key: i16 [1+];
        /// Version of the request behind this header, and of the response wanted.
        request_api_version: i16 [1+];
        /// The client's number for this request; comes back in the response.
        correlation_id: i32 [1+];
        /// What the client calls itself.
        client_id: Option<Str> [1+] as classic = Some(Str::EMPTY);
    }

    /// In front of every response.
    struct ResponseHeader: key -1, versions [0-1], flexible [1+] {
        /// Number of the request that is answered.
        correlation_id: i32 [0+];
    }
}
