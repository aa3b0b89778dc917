"""What `make docs` adds to MkDocs: the order of the pages, the pages that lie outside docs/, anchors as GitHub makes them, and
diagrams that are drawn without another host."""

import os
import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from pymdownx.superfences import fence_code_format

ROOT = Path(__file__).resolve().parents[2]

# Pages that lie outside docs/, and what they are called in the site.
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}

# Sections, and their pages in order; a page that is not there is left out. One that no section names is in the last but one.
SECTIONS = {
    "Start": ["index", "getting-started", "guarantees", "architecture"],
    "Guides": ["http", "pagination", "limits", "errors", "webhooks", "receivers", "events", "import", "signing-in"],
    "Reference": ["reference/index", "reference/*"],
    "Operate": [
        "deployment", "operations", "administration", "observability", "troubleshooting", "backup", "upgrading", "security",
        "performance", "benchmark", "runbooks/index", "runbooks/README", "runbooks/*",
    ],
    "Develop": ["contributing", "adding-a-resource", "changelog", "*"],
    "Decisions": ["decisions/index", "decisions/README", "decisions/*"],
}

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FOREIGN = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//", re.IGNORECASE)


def anchor(text, separator):
    """GitHub's rule, which tests/it/architecture/documents.rs knows too."""
    kept = re.sub(r"[^\w\- ]", "", text.strip().lower())
    return kept.replace(" ", "-")


# What draws diagrams in the reader's browser. The theme would fetch it from elsewhere if the page did not bring it along, so
# without it they stay text.
DIAGRAMS = "assets/mermaid.min.js"
DRAWER = Path(os.environ.get("MERMAID", "/nonexistent"))


def on_config(config):
    if DRAWER.is_file():
        config.extra_javascript.append(DIAGRAMS)
        fence = {"name": "mermaid", "class": "mermaid", "format": fence_code_format}
        config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    config.mdx_configs.setdefault("toc", {})["slugify"] = anchor
    return config


def on_files(files, config):
    for source, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text()))
    if DRAWER.is_file():
        files.append(File.generated(config, DIAGRAMS, content=DRAWER.read_text()))
    names = sorted(file.src_uri.removesuffix(".md") for file in files.documentation_pages())
    placed, nav = set(), []
    explicit = {page for pages in SECTIONS.values() for page in pages}
    for section, pages in SECTIONS.items():
        chosen = []
        for page in pages:
            folder = posixpath.dirname(page)
            found = [page] if page in names else []
            if page.endswith("*"):
                found = [name for name in names if posixpath.dirname(name) == folder and name not in explicit]
            chosen += [name for name in found if name not in placed]
            placed.update(found)
        if chosen:
            nav.append({section: [f"{name}.md" for name in chosen]})
    config.nav = nav
    return files


def on_page_markdown(markdown, page, config, files):
    """Links as the repository has them, turned to where the site has the page; what the site has not becomes plain text."""
    own = {name: source for source, name in OUTSIDE.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def moved(found):
        text, target = found.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return found[0]
        path, _, fragment = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(own), path))
        name = OUTSIDE.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if name is None or not (path in OUTSIDE or (ROOT / path).is_file()):
            return text
        relative = posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or ".")
        return f"[{text}]({relative}{'#' if fragment else ''}{fragment})"

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [LINK.sub(moved, part) for part in parts[::2]]
    return "".join(parts)


def on_post_page(output, page, config):
    if FOREIGN.search(output):
        raise PluginError(f"{page.file.src_uri} loads something from another host")
    return output
