//! Record batches out of any bytes, their CRC not looked at, so that the fuzzer gets past it.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sordini_wire::batch::{latest_record, look, offset_for_time, split_prefix, validate, walk};

/// What a batch may open to.
const OPENED_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    walk(input).for_each(drop);
    let bytes = Bytes::copy_from_slice(input);
    let _ = validate::from_client(bytes.clone(), 9);
    let Ok((batches, rest)) = split_prefix(bytes) else { return };
    assert_eq!(batches.iter().map(|b| b.size()).sum::<usize>() + rest.len(), input.len());
    for batch in batches {
        let _ = batch.check_crc();
        let _ = look::check_lengths(&batch.view());
        let _ = offset_for_time(&batch, batch.header().max_timestamp(), 0, OPENED_BYTES_MAX);
        let _ = latest_record(&batch, i64::MIN, OPENED_BYTES_MAX);
        let Ok(records) = batch.records(OPENED_BYTES_MAX) else { continue };
        assert!(records.payload().len() <= OPENED_BYTES_MAX);
        for record in records {
            let Ok(record) = record else { break };
            record.headers().for_each(drop);
        }
    }
});
