//! One page of a listing. Pure: the index and a request in, a page out.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::object::Object;

/// The most entries that one page holds, however many are asked for.
pub const MAX_KEYS: usize = 1000;

/// What a page is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListingQuery<'a> {
    pub prefix: &'a str,
    /// Keys that share what lies between `prefix` and the first delimiter are rolled up into one
    /// entry.
    pub delimiter: Option<&'a str>,
    /// The page starts behind this key or rolled-up prefix.
    pub after: &'a str,
    pub max_keys: usize,
}

/// Entries in byte order of their keys, as S3 lists them.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct ListingPage {
    pub objects: Vec<Arc<Object>>,
    pub common_prefixes: Vec<String>,
    /// The last entry of this page, if there are more: where the next page starts.
    pub next: Option<String>,
}

/// Returns the page that `query` asks for.
pub fn page(objects: &BTreeMap<String, Arc<Object>>, query: ListingQuery<'_>) -> ListingPage {
    let mut page = ListingPage::default();
    if query.max_keys == 0 {
        return page;
    }
    let mut last: &str = "";
    let mut count = 0;
    let start = if query.after >= query.prefix {
        Bound::Excluded(query.after)
    } else {
        Bound::Included(query.prefix)
    };
    for (key, object) in objects.range::<str, _>((start, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(query.prefix) else {
            break;
        };
        let rolled = rolled_up(key, rest, query.delimiter);
        // A start within a rolled-up prefix is behind it, as recorded from AWS: the prefix was on
        // the page before.
        if rolled
            .is_some_and(|prefix| query.after.starts_with(prefix) || (count > 0 && prefix == last))
        {
            continue;
        }
        if count == query.max_keys {
            page.next = Some(last.to_owned());
            break;
        }
        count += 1;
        last = rolled.unwrap_or(key);
        match rolled {
            Some(prefix) => page.common_prefixes.push(prefix.to_owned()),
            None => page.objects.push(Arc::clone(object)),
        }
    }
    page
}

fn rolled_up<'a>(key: &'a str, rest: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let end = rest.find(delimiter)? + delimiter.len();
    Some(&key[..key.len() - rest.len() + end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index(keys: &[&str]) -> BTreeMap<String, Arc<Object>> {
        keys.iter()
            .map(|key| ((*key).to_owned(), Arc::new(object(key))))
            .collect()
    }

    fn object(key: &str) -> Object {
        Object {
            key: key.to_owned(),
            blob: String::new(),
            size: 0,
            etag: String::new(),
            modified_ms: 0,
            attributes: super::super::object::Attributes::default(),
            checksums: super::super::object::Checksums::default(),
            part_sizes: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    fn names(page: &ListingPage) -> Vec<&str> {
        page.objects
            .iter()
            .map(|object| object.key.as_str())
            .collect()
    }

    #[test]
    fn a_delimiter_rolls_up_what_lies_behind_it() {
        let index = index(&["a", "a/1", "a/2", "b/c/3", "d"]);
        let page = page(
            &index,
            ListingQuery {
                delimiter: Some("/"),
                max_keys: 1000,
                ..ListingQuery::default()
            },
        );
        assert_eq!(names(&page), ["a", "d"]);
        assert_eq!(page.common_prefixes, ["a/", "b/"]);
        assert_eq!(page.next, None);
    }

    /// Recorded from AWS with marker `folder/aSubfolder/subFile1`: the prefix does not come again.
    #[test]
    fn a_start_inside_a_rolled_up_prefix_is_behind_it() {
        let index = index(&["a/1", "a/2", "b"]);
        let page = page(
            &index,
            ListingQuery {
                delimiter: Some("/"),
                after: "a/1",
                max_keys: 10,
                ..ListingQuery::default()
            },
        );
        assert_eq!((names(&page), page.common_prefixes.len()), (vec!["b"], 0));
    }

    #[test]
    fn an_exact_fit_is_not_truncated() {
        let index = index(&["a", "b"]);
        let all = ListingQuery {
            max_keys: 2,
            ..ListingQuery::default()
        };
        assert_eq!(page(&index, all).next, None);
        assert_eq!(
            page(&index, ListingQuery { max_keys: 1, ..all })
                .next
                .as_deref(),
            Some("a")
        );
    }

    proptest! {
        /// Pages laid end to end are the one page that holds everything, whatever the keys and the
        /// page size.
        #[test]
        fn pages_laid_end_to_end_are_the_whole(
            keys in prop::collection::btree_set("[ab/]{1,5}", 0..40), prefix in "[ab/]{0,2}",
            delimiter in prop::option::of("[b/]"), max_keys in 1_usize..5,
        ) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let index = index(&keys);
            let query = ListingQuery { prefix: &prefix, delimiter: delimiter.as_deref(), after: "", max_keys: 1000 };
            let whole = page(&index, query);
            let (mut objects, mut prefixes, mut after) = (Vec::new(), Vec::new(), String::new());
            loop {
                let next = page(&index, ListingQuery { after: &after, max_keys, ..query });
                prop_assert!(next.objects.len() + next.common_prefixes.len() <= max_keys);
                objects.extend(next.objects);
                prefixes.extend(next.common_prefixes);
                match next.next {
                    Some(last) => after = last,
                    None => break,
                }
            }
            prop_assert_eq!(objects, whole.objects);
            prop_assert_eq!(prefixes, whole.common_prefixes);
        }
    }
}
