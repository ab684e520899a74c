//! The hand-written variants as data: each serves every stage, and the copies are copies.

use darkroom_core::variant::Variant;

use crate::fixture::pipeline;

macro_rules! function_file {
    ($variant:literal, $file:literal) => {
        include_str!(concat!("../../../../functions/", $variant, "/", $file))
    };
}

#[test]
fn every_hand_written_variant_has_a_handler_for_every_stage_and_no_model() {
    let variants = [
        ("pillow", function_file!("pillow", "variant.toml")),
        ("numpy", function_file!("numpy", "variant.toml")),
        ("purepy", function_file!("purepy", "variant.toml")),
        ("rust", function_file!("rust", "variant.toml")),
        (
            "broken-example",
            function_file!("broken-example", "variant.toml"),
        ),
    ];
    for (name, text) in variants {
        let variant = Variant::parse(&format!("functions/{name}/variant.toml"), text).unwrap();
        assert!(
            variant.stages_without_handler(&pipeline()).is_empty(),
            "{name}"
        );
        assert_eq!(
            (variant.model, variant.sample),
            (None, None),
            "{name} was written by hand"
        );
    }
}

macro_rules! assert_copies_of_pillow {
    ($variant:literal: $($file:literal),+) => {
        $(assert_eq!(function_file!("pillow", $file), function_file!($variant, $file), "{}/{}", $variant, $file);)+
    };
}

/// What these variants show is one stage's effect: everything else must be pillow's.
#[test]
fn purepy_and_the_broken_example_differ_from_pillow_in_the_colour_depth_stage_only() {
    assert_copies_of_pillow!("purepy": "objects.py", "greyscale.py", "resize.py", "rotate.py", "convert.py", "requirements.txt");
    assert_copies_of_pillow!(
        "broken-example": "objects.py", "greyscale.py", "resize.py", "rotate.py", "convert.py", "requirements.txt"
    );
    let depth = function_file!("pillow", "colour_depth.py");
    assert_ne!(depth, function_file!("purepy", "colour_depth.py"));
    assert_ne!(depth, function_file!("broken-example", "colour_depth.py"));
    assert!(function_file!("broken-example", "colour_depth.py").contains("WRONG ON PURPOSE"));
    assert!(function_file!("broken-example", "variant.toml").contains("WRONG ON PURPOSE"));
}
