//! The columns of `builds`.

use super::Kind::{Integer, Text};
use super::Source::{Plan, Runner};
use super::{ARCHITECTURE, RUN_ID, Table, VARIANT, column};

pub const BUILDS: Table = Table {
    name: "builds",
    row: "one part of one variant's package for one architecture: the variant's own code, then each dependency",
    columns: &[
        RUN_ID,
        VARIANT,
        ARCHITECTURE,
        column("runtime", Text, "", Plan, "Lambda runtime"),
        column(
            "code_sha256",
            Text,
            "",
            Runner,
            "base64 of the zip's sha256: joins `invocations.code_sha256`",
        ),
        column("code_bytes", Integer, "bytes", Runner, "size of the zip"),
        column(
            "unzipped_bytes",
            Integer,
            "bytes",
            Runner,
            "size of code and layers when unpacked",
        ),
        column(
            "layers_sha256",
            Text,
            "",
            Runner,
            "of each layer's zip, base64, in the order of unpacking; null if there is none",
        ),
        column(
            "compiler",
            Text,
            "",
            Runner,
            "output of `rustc -vV`; null for code that is not compiled",
        ),
        column(
            "command",
            Text,
            "",
            Runner,
            "build command with its arguments (after `prebuilt by the release:` if the program \
             comes with Darkroom); null for code that is not compiled",
        ),
        column(
            "profile",
            Text,
            "",
            Runner,
            "release profile in the variant's Cargo.toml as JSON: optimisation of the whole and \
             of single dependencies",
        ),
        column(
            "glibc",
            Text,
            "",
            Runner,
            "newest glibc that the program needs; Lambda has 2.34; null for none and for code \
             that is not compiled",
        ),
        column(
            "dependency",
            Text,
            "",
            Runner,
            "name; null in the row of the variant's own code",
        ),
        column("version", Text, "", Runner, "locked or pinned version"),
        column(
            "features",
            Text,
            "",
            Runner,
            "Cargo features that it was built with, separated by spaces; null for none",
        ),
        column(
            "sha256",
            Text,
            "",
            Runner,
            "hash that its source or wheel must have, hex; several separated by spaces if any of \
             several wheels will do",
        ),
        column(
            "jpeg_decoder",
            Text,
            "",
            Runner,
            "its JPEG decoder, name and version: as the library in the wheel says, or the locked \
             crate itself; null for a package without a decoder, or if it does not say",
        ),
    ],
};
