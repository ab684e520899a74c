//! The manifest's JSON Schema, from the types themselves. Editors complete with it; [`super::check`] checks with it.

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::Manifest;

/// Returns the schema, with every type written out where it is used.
pub(super) fn schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Manifest>();
    schema.insert("title".to_owned(), Json::from("Darkroom manifest"));
    schema.to_value()
}

/// Returns the schema as `darkroom schema` prints it and `manifests/manifest.schema.json` holds it.
pub fn schema_text() -> String {
    format!("{:#}\n", schema())
}
