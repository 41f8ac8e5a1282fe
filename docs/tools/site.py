"""What `make docs` adds to the pages in docs/: README, changelog, the packages' and examples' own pages, as one site.

A hook of MkDocs. Links between all of these work on the site as they do in the repository; a link to a file that is no
page becomes its words.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?P<mark>!?)\[(?P<words>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def outside_pages() -> dict[str, str]:
    """Return the pages that lie outside of docs/: path in the repository → page of the site."""
    found = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
    for folder in ("plugins", "examples"):
        for path in sorted((ROOT / folder).glob("*/README.md")):
            found[path.relative_to(ROOT).as_posix()] = f"{folder}-pages/{path.parent.name}.md"
    return found


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside of docs/."""
    for source, page in outside_pages().items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn the links of a page, which are right in the repository, into links that are right on the site."""
    outside = outside_pages()
    own = {uri: source for source, uri in outside.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def turned(found: re.Match[str]) -> str:
        target = found["target"]
        if re.match(r"[a-z]+:", target):
            return found[0]
        source = posixpath.normpath(posixpath.join(posixpath.dirname(own), target))
        uri = outside.get(source) or (source.removeprefix("docs/") if source.startswith("docs/") else None)
        if uri is None and (ROOT / source).exists():
            return f"{found['words']} (`{source}`)"
        way = target if uri is None else posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")
        return f"{found['mark']}[{found['words']}]({way}{found['anchor'] or ''})"

    return LINK.sub(turned, markdown)
