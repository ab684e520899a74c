//! Shows a failure on stderr: for people with the lines it is about, for scripts as JSON.

use std::io::{self, Write};

use darkroom_core::shown;
use miette::{GraphicalReportHandler, GraphicalTheme, JSONReportHandler, ReportHandler};

use crate::cli::Globals;
use crate::exit::Failure;

/// Columns a diagnostic may fill.
const WIDTH: usize = 110;

/// Writes the failure to stderr. Nothing can be done if stderr is gone, so that is ignored.
pub fn show(failure: &Failure, globals: Globals) {
    let text = render(
        failure.report().as_ref(),
        globals.json,
        super::colours(&io::stderr()),
    );
    let colours = super::colours(&io::stderr());
    let text = if globals.json {
        shown::json(&text)
    } else {
        shown::answer(&text, colours)
    };
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Renders a diagnostic with everything related to it, ending in a newline.
pub fn render(diagnostic: &dyn miette::Diagnostic, json: bool, colours: bool) -> String {
    struct Shown<'a>(&'a dyn ReportHandler, &'a dyn miette::Diagnostic);
    impl std::fmt::Debug for Shown<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.debug(self.1, f)
        }
    }
    let theme = if colours {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    // A command that is suggested stands in one line, so that it can be copied as it is.
    let suggests = |text: &str| {
        ["`darkroom ", "`--", "`cargo ", "`uv "]
            .iter()
            .any(|begin| text.contains(begin))
    };
    let told = diagnostic.to_string();
    let whole = suggests(&told)
        || diagnostic
            .help()
            .is_some_and(|help| suggests(&help.to_string()));
    let graphical = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(colours)
        .with_wrap_lines(!whole);
    let handler: &dyn ReportHandler = if json {
        &JSONReportHandler::new()
    } else {
        &graphical
    };
    let text = format!("{:?}", Shown(handler, diagnostic));
    format!("{}\n", text.trim_end())
}
