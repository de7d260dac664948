//! IncrementalAlterConfigs (key 44, versions 0-1): single settings of a resource (KIP-339).
//!
//! 1: flexible. An operation sets a key, deletes it (back to what the layers beneath say), or appends to or
//! subtracts from a list, the default one where nothing is set.
//!
//! Refused per resource, in this order: one that comes twice, an unknown kind, a null value that is not deleted,
//! a key that comes twice, an unknown operation (INVALID_REQUEST), a resource that is not there, a list operation
//! on a key that is none, an unknown key or a wrong value. Deleting a key that is not set succeeds, known or not.

use super::alter_configs::{check_keys, each_once, resource, settle};
use super::refusal::Refusal;
use crate::metadata::Resource;
use crate::metadata::draft::Admin;
use crate::metadata::settings::{Settings, elements};
use sordini_wire::message::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// The answer to a request.
pub fn answer(
    admin: &mut Admin<'_>,
    request: &IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let name = |asked: &AlterConfigsResource| (asked.resource_type, asked.resource_name.clone());
    let done =
        each_once(&request.resources, name, |asked| alter(admin, asked, request.validate_only));
    let response = |(asked, done): (&AlterConfigsResource, Result<(), Refusal>)| {
        AlterConfigsResourceResponse {
            error_code: done.as_ref().map_or_else(|why| why.code.0, |()| 0),
            error_message: done.err().and_then(|why| why.text()),
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.clone(),
            ..AlterConfigsResourceResponse::default()
        }
    };
    let responses = request.resources.iter().zip(done).map(response).collect();
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

fn alter(
    admin: &mut Admin<'_>,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let resource = resource(asked.resource_type, &asked.resource_name)?;
    let null = asked.configs.iter().filter(|c| c.value.is_none() && c.config_operation != DELETE);
    check_keys(asked.configs.iter().map(|c| &*c.name), null.map(|c| &*c.name))?;
    let unknown = asked.configs.iter().find(|c| !(SET..=SUBTRACT).contains(&c.config_operation));
    if let Some(config) = unknown {
        let (operation, key) = (config.config_operation, &config.name);
        let words = format!("there is no operation {operation}, as asked for {key}");
        return Err(Refusal::invalid(words));
    }
    admin.check_resource(&resource)?;
    let mut new = admin.metadata().configs(&resource).clone();
    for config in &asked.configs {
        operate(admin, &resource, config, &mut new)?;
    }
    settle(admin, &resource, &new, validate_only)
}

fn operate(
    admin: &Admin<'_>,
    resource: &Resource,
    config: &AlterableConfig,
    new: &mut Settings,
) -> Result<(), Refusal> {
    let key = config.name.to_string();
    let value = config.value.as_deref().unwrap_or_default();
    match config.config_operation {
        SET => drop(new.insert(key, value.to_owned())),
        DELETE => drop(new.remove(&key)),
        APPEND => {
            let mut list = admin.list(resource, &key, "APPEND")?;
            for element in elements(value) {
                if !list.iter().any(|old| old == element) {
                    list.push(element.to_owned());
                }
            }
            new.insert(key, list.join(","));
        }
        SUBTRACT => {
            let mut list = admin.list(resource, &key, "SUBTRACT")?;
            list.retain(|old| elements(value).all(|element| element != old));
            new.insert(key, list.join(","));
        }
        _ => unreachable!("checked before"),
    }
    Ok(())
}
