//! AlterConfigs (key 33, versions 0-2): all settings of a resource at once; what is not named is reset (KIP-133).
//!
//! 2: flexible. Clients prefer IncrementalAlterConfigs, because two of these at the same time undo each other.
//!
//! Refused per resource, in this order: one that comes twice, an unknown kind, a null value, a key that comes
//! twice (INVALID_REQUEST), a resource that is not there, an unknown key or a wrong value.

use super::refusal::Refusal;
use crate::metadata::draft::Admin;
use crate::metadata::settings::Settings;
use crate::metadata::{Resource, ResourceKind};
use sordini_wire::message::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use std::collections::BTreeMap;

/// The answer to a request.
pub fn answer(admin: &mut Admin<'_>, request: &AlterConfigsRequest) -> AlterConfigsResponse {
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
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

/// Alters the resources of a request, in order; those that come twice are refused.
pub fn each_once<R, K: Ord>(
    resources: &[R],
    name: impl Fn(&R) -> K,
    mut alter: impl FnMut(&R) -> Result<(), Refusal>,
) -> Vec<Result<(), Refusal>> {
    let mut times = BTreeMap::new();
    resources.iter().for_each(|asked| *times.entry(name(asked)).or_insert(0) += 1);
    let once = |asked: &R| match times[&name(asked)] {
        1 => alter(asked),
        _ => Err(Refusal::invalid("Each resource must appear at most once.")),
    };
    resources.iter().map(once).collect()
}

/// Gives a resource these settings and no others, if they pass and are not only to be validated.
pub fn settle(
    admin: &mut Admin<'_>,
    resource: &Resource,
    new: &Settings,
    validate_only: bool,
) -> Result<(), Refusal> {
    admin.check_settings(resource, new)?;
    if !validate_only {
        admin.replace_settings(resource, new);
    }
    Ok(())
}

/// The resource that a request names, of whatever kind there is.
pub fn resource(kind: i8, name: &str) -> Result<Resource, Refusal> {
    let unknown = || Refusal::invalid(format!("Unknown resource type {kind}"));
    let kind = ResourceKind::from_code(kind).ok_or_else(unknown)?;
    Ok(Resource { kind, name: name.to_owned() })
}

/// Refuses values that are null where they must not be, and keys that come twice.
pub fn check_keys<'a>(
    keys: impl Iterator<Item = &'a str>,
    null: impl Iterator<Item = &'a str>,
) -> Result<(), Refusal> {
    let null: Vec<&str> = null.collect();
    if !null.is_empty() {
        let words = format!("Null value not supported for : {}", null.join(", "));
        return Err(Refusal::invalid(words));
    }
    let mut seen = std::collections::BTreeSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(Refusal::invalid("Error due to duplicate config keys"));
        }
    }
    Ok(())
}

fn alter(
    admin: &mut Admin<'_>,
    asked: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refusal> {
    let resource = resource(asked.resource_type, &asked.resource_name)?;
    let null = asked.configs.iter().filter(|c| c.value.is_none()).map(|c| &*c.name);
    check_keys(asked.configs.iter().map(|c| &*c.name), null)?;
    admin.check_resource(&resource)?;
    let pair = |c: &sordini_wire::message::alter_configs::AlterableConfig| {
        (c.name.to_string(), c.value.as_deref().unwrap_or_default().to_owned())
    };
    let new: Settings = asked.configs.iter().map(pair).collect();
    settle(admin, &resource, &new, validate_only)
}
