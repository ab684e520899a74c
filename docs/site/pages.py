"""Hooks of MkDocs: pages that lie elsewhere in the repository, and links that leave the site.

A page is written once. Those that belong to a folder (the columns of `outputs/`, the local cloud's README) stay there and are
taken in here. A link to a file that is no page becomes its path; a link to nothing ends the build.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent.parent
TAKEN_IN = {
    "tables.md": "outputs/README.md",
    "glossary.md": "GLOSSARY.md",
    "local-cloud.md": "runner/darkroom-cloud/README.md",
    "security.md": "SECURITY.md",
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
}
LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s]+)\)")


def on_files(files, config):
    """Adds the pages that lie outside of docs/."""
    for page, path in TAKEN_IN.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns the repository's links into the site's, and says which lead nowhere."""
    own = page.file.src_uri
    source = TAKEN_IN.get(own, f"docs/{own}")
    pages = {path: name for name, path in TAKEN_IN.items()} | {f"docs/{file.src_uri}": file.src_uri for file in files}

    def turned(match):
        words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match.group()
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if path in pages:
            return f"[{words}]({pages[path]}{'#' + anchor if anchor else ''})"
        if not (ROOT / path).exists():
            raise PluginError(f"{source}: the link to {target} leads nowhere")
        return words if path in words else f"{words} (`{path}` in the repository)"

    return LINK.sub(turned, markdown)
