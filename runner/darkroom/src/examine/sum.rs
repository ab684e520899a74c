//! Facts about files → facts about a stage: the files that its handler reaches, and their sums.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use darkroom_core::event::CodeExamined;

/// What is known of one file; `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    pub total: Option<u64>,
    pub blank: Option<u64>,
    pub comment: Option<u64>,
    /// Dotted names of the modules it imports, its own variant's among them.
    pub modules: Option<Vec<String>>,
    /// Cyclomatic complexity of each function.
    pub complexities: Option<Vec<u32>>,
    /// How often each lint is found.
    pub lints: Option<BTreeMap<String, u32>>,
    /// Why something is not known.
    pub note: Option<String>,
}

/// Returns the files that `module` reaches through imports, itself first. `files` are named as in
/// the variant's folder.
pub fn reached(files: &BTreeMap<String, File>, module: &str) -> Vec<String> {
    let mut reached: Vec<String> = file_of_module(files, module).into_iter().collect();
    let mut next = 0;
    while let Some(file) = reached.get(next).cloned() {
        next += 1;
        for module in files[&file].modules.iter().flatten() {
            reached.extend(file_of_module(files, module).filter(|place| !reached.contains(place)));
        }
    }
    reached
}

/// The file of a module, if the variant has it.
fn file_of_module(files: &BTreeMap<String, File>, module: &str) -> Option<String> {
    let path = module.replace('.', "/");
    [format!("{path}.py"), format!("{path}/__init__.py")]
        .into_iter()
        .find(|file| files.contains_key(file))
}

/// Adds up what is known of some files. A sum of which one part is not known is not known.
pub fn sum(
    variant: &str,
    stage: Option<&str>,
    language: &str,
    files: &[(&String, &File)],
) -> CodeExamined {
    let lines =
        |of: fn(&File) -> Option<u64>| files.iter().map(|(_, file)| of(file)).sum::<Option<u64>>();
    let code = |file: &File| file.total?.checked_sub(file.blank? + file.comment?);
    let complexities: Option<Vec<u32>> = whole(files, |file| file.complexities.clone());
    let found = files.iter().map(|(_, file)| file.lints.as_ref()).try_fold(
        BTreeMap::new(),
        |mut all, lints| {
            for (code, count) in lints? {
                *all.entry(code.clone()).or_insert(0) += count;
            }
            Some(all)
        },
    );
    let mut notes: Vec<&str> = files
        .iter()
        .filter_map(|(_, file)| file.note.as_deref())
        .collect();
    notes.dedup();
    CodeExamined {
        variant: variant.to_owned(),
        stage: stage.map(ToOwned::to_owned),
        language: language.to_owned(),
        files: files.iter().map(|(name, _)| (*name).clone()).collect(),
        lines_total: lines(|file| file.total),
        lines_code: lines(code),
        lines_blank: lines(|file| file.blank),
        lines_comment: lines(|file| file.comment),
        imports: imports(files),
        functions: complexities.as_ref().map(|all| all.len() as u32),
        complexity_max: complexities
            .as_ref()
            .and_then(|all| all.iter().copied().max()),
        complexity_sum: complexities.as_ref().map(|all| all.iter().sum()),
        lints: found,
        lint_tool: None,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

/// Top-level names of what is imported, without the variant's own modules.
fn imports(files: &[(&String, &File)]) -> Option<Vec<String>> {
    let own: BTreeSet<&str> = files
        .iter()
        .map(|(name, _)| name.split(['/', '.']).next().unwrap_or_default())
        .collect();
    let modules = whole(files, |file| file.modules.clone())?;
    let top = modules
        .iter()
        .map(|module| module.split('.').next().unwrap_or_default());
    let names: BTreeSet<&str> = top.filter(|name| !own.contains(name)).collect();
    Some(names.into_iter().map(ToOwned::to_owned).collect())
}

fn whole<T>(files: &[(&String, &File)], of: impl Fn(&File) -> Option<Vec<T>>) -> Option<Vec<T>> {
    let lists: Option<Vec<Vec<T>>> = files.iter().map(|(_, file)| of(file)).collect();
    lists.map(|lists| lists.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: [u64; 3], modules: &[&str], complexities: &[u32]) -> File {
        let [total, blank, comment] = lines.map(Some);
        File {
            total,
            blank,
            comment,
            modules: Some(modules.iter().map(|name| (*name).to_owned()).collect()),
            complexities: Some(complexities.into()),
            lints: Some(BTreeMap::from([("F401".to_owned(), 1)])),
            note: None,
        }
    }

    fn files() -> BTreeMap<String, File> {
        BTreeMap::from([
            (
                "grey.py".to_owned(),
                file([10, 2, 1], &["io", "PIL.Image", "objects"], &[1, 4]),
            ),
            (
                "objects.py".to_owned(),
                file([20, 3, 2], &["boto3", "lib.keys"], &[2]),
            ),
            ("lib/keys.py".to_owned(), file([5, 0, 0], &["objects"], &[])),
            ("resize.py".to_owned(), file([7, 0, 0], &["io"], &[3])),
        ])
    }

    fn stage(files: &BTreeMap<String, File>, module: &str) -> CodeExamined {
        let names = reached(files, module);
        sum(
            "v",
            Some("s"),
            "python",
            &names
                .iter()
                .map(|name| (name, &files[name]))
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_stage_is_its_handler_and_what_that_imports_of_its_variant() {
        let grey = stage(&files(), "grey");
        assert_eq!(grey.files, ["grey.py", "objects.py", "lib/keys.py"]);
        let lines = [
            grey.lines_total,
            grey.lines_code,
            grey.lines_blank,
            grey.lines_comment,
        ];
        assert_eq!(lines, [Some(35), Some(27), Some(5), Some(3)]);
        assert_eq!(grey.imports.unwrap(), ["PIL", "boto3", "io"]);
        assert_eq!(
            (grey.functions, grey.complexity_max, grey.complexity_sum),
            (Some(3), Some(4), Some(7))
        );
        assert_eq!(grey.lints.unwrap()["F401"], 3);
        assert_eq!(stage(&files(), "resize").files, ["resize.py"]);
        assert_eq!(stage(&files(), "absent").files, [""; 0]);
    }

    #[test]
    fn a_part_that_is_not_known_makes_the_sum_unknown_and_the_note_says_why() {
        let mut files = files();
        let broken = File {
            total: Some(9),
            blank: Some(1),
            note: Some("SyntaxError".into()),
            ..File::default()
        };
        files.insert("objects.py".into(), broken);
        let grey = stage(&files, "grey");
        assert_eq!(
            (grey.lines_total, grey.lines_code, grey.imports, grey.lints),
            (Some(19), None, None, None)
        );
        assert_eq!(
            (grey.complexity_max, grey.note.as_deref()),
            (None, Some("SyntaxError"))
        );
    }
}
