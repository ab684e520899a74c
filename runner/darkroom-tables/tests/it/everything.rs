//! The journal that most tests look at.

use darkroom_core::cell::{Architecture, Cell, Input, Start};
use darkroom_core::event::{Again, CodeExamined, Event, Status};

use crate::journal::{Journal, Pass, cell};

/// A journal in which every kind of row occurs.
pub fn everything() -> Journal {
    let (pillow, rust) = (cell("pillow"), cell("rust"));
    let cold = Cell {
        start: Start::Cold,
        ..cell("rust")
    };
    let arm = Cell {
        architecture: Architecture::Arm64,
        ..cell("rust")
    };
    let reference = Cell {
        input: Input::Reference,
        ..cell("rust")
    };
    let mut journal = Journal::of(&[
        pillow.clone(),
        rust.clone(),
        cold.clone(),
        arm,
        reference.clone(),
    ]);
    journal
        .pass(&Pass::of(&pillow, 1, 900.0))
        .supersede(&pillow);
    journal.pass(&Pass {
        warm_up: true,
        init_ms: Some(150.0),
        ..Pass::of(&pillow, 1, 300.0)
    });
    for (repetition, ms) in (1..).zip([
        102.0, 98.0, 110.0, 95.0, 101.0, 99.0, 130.0, 97.0, 103.0, 100.0,
    ]) {
        journal.pass(&Pass::of(&pillow, repetition, ms));
        journal.pass(&Pass::of(&rust, repetition, ms / 10.0));
        journal.pass(&Pass {
            init_ms: Some(20.0),
            ..Pass::of(&cold, repetition, ms / 5.0)
        });
        journal.pass(&Pass::of(&reference, repetition, ms / 9.0));
    }
    journal.pass(&Pass {
        init_ms: Some(99.0),
        again: Some(Again::WrongStart),
        ..Pass::of(&pillow, 11, 400.0)
    });
    journal.pass(&Pass {
        attempt: 2,
        ..Pass::of(&pillow, 11, 104.0)
    });
    journal.pass(&Pass {
        status: [Status::Ok, Status::FunctionError],
        ..Pass::of(&pillow, 12, 50.0)
    });
    journal.pass(&Pass {
        finished: false,
        ..Pass::of(&pillow, 13, 60.0)
    });
    journal.pass(&Pass {
        attempt: 2,
        ..Pass::of(&pillow, 13, 105.0)
    });
    journal.pass(&Pass {
        report: false,
        ..Pass::of(&pillow, 14, 106.0)
    });
    journal.pass(&Pass {
        status: [Status::Throttled, Status::Ok],
        again: Some(Again::Throttled),
        ..Pass::of(&rust, 11, 9.0)
    });
    journal.pass(&Pass {
        attempt: 2,
        ..Pass::of(&rust, 11, 9.0)
    });
    journal
        .check_all(&pillow)
        .check_all(&rust)
        .check_all(&cold)
        .check_all(&reference);
    journal.reconciled("darkroom-pillow-greyscale", 15.0, Some(15.0));
    journal
        .events
        .splice(1..1, looks().map(Event::CodeExamined));
    journal
}

/// A look at one stage that tells all, and one that tells little.
fn looks() -> [CodeExamined; 2] {
    let known = CodeExamined {
        variant: "pillow".into(),
        stage: Some("greyscale".into()),
        language: "python".into(),
        files: vec!["greyscale.py".into(), "objects.py".into()],
        lines_total: Some(53),
        lines_code: Some(40),
        lines_blank: Some(8),
        lines_comment: Some(5),
        imports: Some(vec!["PIL".into(), "boto3".into()]),
        functions: Some(4),
        complexity_max: Some(3),
        complexity_sum: Some(7),
        lints: Some([("B007".to_owned(), 1), ("F401".to_owned(), 2)].into()),
        lint_tool: Some("ruff 0.17.6: E,F".into()),
        note: None,
    };
    let little = CodeExamined {
        variant: "rust".into(),
        language: "rust".into(),
        note: Some("no lints".into()),
        ..CodeExamined::default()
    };
    [known, little]
}
