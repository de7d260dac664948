//! InitProducerId (key 22, versions 0-5): an identity for an idempotent producer.
//!
//! 2: flexible. 3: the producer may name itself to get a new epoch (KIP-360). 4: PRODUCER_FENCED. 5: TRANSACTION_ABORTABLE (KIP-890).
//!
//! Ids come in blocks that the metadata log sets aside, so that one is never given out twice, whatever
//! crashes. Refused: a transactional id, as there is no transaction coordinator.

use super::{Stop, wait_for_room};
use crate::gather::Call;
use crate::metadata::MetadataRecord;
use crate::node::{Node, Step};
use sordini_mutant::mutant;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

/// Ids of one block: what a crash may waste.
const BLOCK: i64 = 1000;

/// Kafka's default of `transaction.max.timeout.ms`.
const TRANSACTION_TIMEOUT_MS_MAX: i32 = 900_000;

/// Serves a request.
pub fn handle(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    request: InitProducerIdRequest,
) -> Result<(), Stop> {
    if let Some(code) = refused(&request) {
        let answer = InitProducerIdResponse {
            error_code: code.0,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        };
        node.reply(call, &answer);
        return Ok(());
    }
    if node.producer_ids.is_empty() {
        wait_for_room(node, step)?;
        let (first, block) = node.admin(step, |admin| {
            let first = admin.metadata().producer_id_next();
            admin.draft.put(MetadataRecord::ProducerIdBlock { next: first + BLOCK });
            first
        });
        node.producer_ids = first..first + BLOCK;
        node.producer_ids_group = block;
    }
    // An id of a block that is not set aside durably yet must not be heard of.
    let group = mutant!(B16, node.producer_ids_group, None);
    let producer_id = node.producer_ids.start;
    node.producer_ids.start += 1;
    let answer = InitProducerIdResponse {
        producer_id,
        producer_epoch: 0,
        ..InitProducerIdResponse::default()
    };
    node.reply_after(group, call, &answer);
    Ok(())
}

fn refused(request: &InitProducerIdRequest) -> Option<ErrorCode> {
    let known = request.producer_id != -1;
    if known != (request.producer_epoch != -1) {
        return Some(ErrorCode::INVALID_REQUEST);
    }
    let transactional_id = request.transactional_id.as_deref()?;
    if transactional_id.is_empty() {
        return Some(ErrorCode::INVALID_REQUEST);
    }
    if !(1..=TRANSACTION_TIMEOUT_MS_MAX).contains(&request.transaction_timeout_ms) {
        return Some(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
    }
    // Not a retriable code: a client would wait for a coordinator that never comes.
    Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
}
