//! Whether pip or cargo failed because nothing answered: no network, no name server, a dead proxy.
//! Pure.
//!
//! Neither gives such a failure an exit code of its own, so that their words decide. Words that are
//! not known leave the failure as it is told.

/// What pip's urllib3 and cargo's curl say where nobody answers.
const SIGNS: [&str; 12] = [
    "NewConnectionError",
    "ConnectTimeoutError",
    "ProxyError",
    "NameResolutionError",
    "ReadTimeoutError",
    "Max retries exceeded",
    "Could not resolve",
    "Couldn't resolve",
    "Could not connect",
    "Failed to connect",
    "Timeout was reached",
    "Network is unreachable",
];

/// Returns in a few words why nothing answered; `None` where something did, or nobody knows.
pub fn reason(said: &str) -> Option<String> {
    SIGNS
        .iter()
        .any(|sign| said.contains(sign))
        .then(|| errno(said).or_else(|| curl(said)).unwrap_or("no answer"))
        .map(str::to_owned)
}

/// The system's words, as Python shows them: `[Errno -3] Temporary failure in name resolution'`.
fn errno(said: &str) -> Option<&str> {
    let (_, words) = said.split_once("[Errno ")?.1.split_once("] ")?;
    words.split(['\'', '"', ')', '\n']).next()
}

/// Curl's words, as cargo shows them: `[6] Could not resolve hostname (Could not resolve host: …)`.
fn curl(said: &str) -> Option<&str> {
    let line = said.lines().find(|line| line.trim().starts_with('['))?;
    Some(line.split_once("] ")?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_and_cargos_words_for_no_network_are_known_and_shortened() {
        let pip = "fails with exit status: 1: WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, \
                   status=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.\
                   HTTPSConnection object at 0x7f1b560c4690>: Failed to establish a new connection: [Errno -3] Temporary \
                   failure in name resolution')': /simple/pillow/ / ERROR: Could not find a version that satisfies the \
                   requirement pillow==13.0.0 (from versions: none) / ERROR: No matching distribution found for pillow==13.0.0";
        assert_eq!(
            reason(pip).as_deref(),
            Some("Temporary failure in name resolution")
        );
        let proxy = "by 'ProxyError('Cannot connect to proxy.', NewConnectionError('<pip._vendor.urllib3.connection.\
                     HTTPSConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))'";
        assert_eq!(reason(proxy).as_deref(), Some("Connection refused"));
        let cargo = "error: failed to get `aws-sdk-s3` as a dependency of package `darkroom-stages v0.1.0 (/x)`\n\nCaused by:\n  \
                     download of config.json failed\n\nCaused by:\n  failed to download from \
                     `https://index.crates.io/config.json`\n\nCaused by:\n  [6] Could not resolve hostname (Could not resolve \
                     host: index.crates.io)\n";
        assert_eq!(
            reason(cargo).as_deref(),
            Some("Could not resolve hostname (Could not resolve host: index.crates.io)")
        );
    }

    #[test]
    fn an_answer_that_says_no_is_no_missing_network() {
        for said in [
            "",
            "ERROR: No matching distribution found for pillow==99.0.0",
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
            "error[E0425]: cannot find function `this_is_no_function` in this scope",
            "HTTP error 403 Client Error: Forbidden for url",
        ] {
            assert_eq!(reason(said), None, "{said}");
        }
    }
}
