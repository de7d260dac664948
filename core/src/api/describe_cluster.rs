//! DescribeCluster (key 60, versions 0-2): which cluster this is, and of which brokers (KIP-700).
//!
//! 1: the asker says which kind of endpoint it means (KIP-919). 2: fenced brokers may be asked for; there are none.
//! Refused: controllers (MISMATCHED_ENDPOINT_TYPE), any other kind (UNSUPPORTED_ENDPOINT_TYPE).

use super::metadata::{CLUSTER_OPERATIONS, NOT_ASKED};
use super::refusal::Refusal;
use crate::metadata::draft::Admin;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use sordini_wire::primitive::Str;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// The answer to a request.
pub fn answer(admin: &Admin<'_>, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    match request.endpoint_type {
        BROKERS => described(admin, request),
        CONTROLLERS => refused(Refusal::new(
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "this endpoint is a broker's, the request wants a controller's",
        )),
        other => refused(Refusal::new(
            ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            format!("endpoint type {other} is neither 1 (broker) nor 2 (controller)"),
        )),
    }
}

fn described(admin: &Admin<'_>, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let asked = request.include_cluster_authorized_operations;
    DescribeClusterResponse {
        cluster_id: admin.metadata().cluster_id().unwrap_or_default().into(),
        controller_id: admin.node().0,
        brokers: vec![DescribeClusterBroker {
            broker_id: admin.node().0,
            host: admin.config.advertised_host.as_str().into(),
            port: i32::from(admin.config.advertised_port),
            rack: admin.config.rack.as_deref().map(Str::from),
            ..DescribeClusterBroker::default()
        }],
        cluster_authorized_operations: if asked { CLUSTER_OPERATIONS } else { NOT_ASKED },
        ..DescribeClusterResponse::default()
    }
}

fn refused(why: Refusal) -> DescribeClusterResponse {
    DescribeClusterResponse {
        error_code: why.code.0,
        error_message: why.text(),
        ..DescribeClusterResponse::default()
    }
}
