//! The manifest's JSON Schema, from the types themselves. Editors complete with it;
//! [`super::check`] checks with it.

use schemars::generate::SchemaSettings;
use serde_json::{Value as Json, json};

use super::{Manifest, spelling};

/// Returns the schema with one name a key, as every manifest has it once its spellings are made
/// one, and with every type written out where it is used.
pub(super) fn schema() -> Json {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Manifest>();
    schema.insert("title".to_owned(), Json::from("Darkroom manifest"));
    schema.to_value()
}

/// Returns the schema as `darkroom schema` prints it and `manifests/manifest.schema.json` holds it:
/// with every spelling that a manifest may use.
pub fn schema_text() -> String {
    let mut schema = schema();
    let matrix = &mut schema["properties"]["matrix"];
    for levels in ["include", "exclude"] {
        add_spellings(&mut matrix["properties"][levels]["items"]);
    }
    add_spellings(matrix);
    format!("{schema:#}\n")
}

/// Adds the other number of every list or factor of a table; both at once are refused, and either
/// will do where one is needed.
fn add_spellings(table: &mut Json) {
    let mut rules = Vec::new();
    for (name, other) in spelling::LISTS {
        let (name, other) = if table["properties"].get(name).is_some() {
            (name, other)
        } else {
            (other, name)
        };
        let Some(property) = table["properties"].get(name).cloned() else {
            continue;
        };
        let mut copy = property;
        copy["description"] = json!(format!("Another spelling of `{name}`."));
        table["properties"][other] = copy;
        rules.push(json!({ "not": { "required": [name, other] } }));
        let Some(required) = table.get_mut("required").and_then(Json::as_array_mut) else {
            continue;
        };
        if let Some(place) = required.iter().position(|key| key == name) {
            required.remove(place);
            rules.push(json!({ "anyOf": [{ "required": [name] }, { "required": [other] }] }));
        }
    }
    table["allOf"] = Json::from(rules);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_a_manifest_may_use_is_in_the_schema() {
        let schema: Json = serde_json::from_str(&schema_text()).unwrap();
        let matrix = &schema["properties"]["matrix"];
        for (name, other) in spelling::LISTS {
            for key in [name, other] {
                let property = &matrix["properties"][key];
                assert!(
                    property["description"].is_string() && property["type"] == "array",
                    "{key}: {property}"
                );
                for levels in ["include", "exclude"] {
                    let level = &matrix["properties"][levels]["items"]["properties"][key];
                    assert!(
                        level.is_object() && level["type"] != "array",
                        "{levels}.{key}: {level}"
                    );
                }
            }
            let both = json!({ "not": { "required": [name, other] } });
            assert!(
                matrix["allOf"].as_array().unwrap().contains(&both),
                "{name}: one of the two"
            );
        }
        let either =
            json!({ "anyOf": [{ "required": ["variants"] }, { "required": ["variant"] }] });
        assert!(
            matrix["allOf"].as_array().unwrap().contains(&either),
            "{matrix}"
        );
        assert!(
            !matrix["required"]
                .as_array()
                .unwrap()
                .iter()
                .any(|key| key == "variants"),
            "{matrix}"
        );
    }
}
