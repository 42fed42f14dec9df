"""What the site needs beside docs/: the repository's own pages, dark twins of figures, a place to run code.

Links are written for the repository, where they lead to files; here they are turned to the pages made of these.
"""

import os
import posixpath
import re
import shutil
import sys
import tempfile
from pathlib import Path

from executed import executed  # beside this file, where mkdocs looks while it loads it
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "acceptance/README.md": "acceptance.md",
}
MADE = "*.html"  # what tutorials leave beside the pages that link to it

_HOME = Path.cwd()
_LINK = re.compile(r"^```.*?^```|\]\((?!https?://|#)([^)#\s]+)", re.MULTILINE | re.DOTALL)  # or code, which has none
_INTERVALS = re.compile(r"(\d\]|seed\]) \[")  # two side by side, which Markdown takes for a link
_FIGURE = re.compile(r"!\[([^\]]*)\]\(((?:\.\./)*images/[\w-]+)\.(png|svg)\)")


def on_pre_build(config: MkDocsConfig) -> None:
    """Pages run in an empty folder, and draw with docs/theme/pictures.py."""
    sys.path.insert(0, str(Path(__file__).parent))
    os.chdir(tempfile.mkdtemp(prefix="closegap-docs-"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The repository's pages, and the files that any page links to outside docs/."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    sources = [f"docs/{file.src_uri}" for file in files.documentation_pages() if file.src_uri not in PAGES.values()]
    for source in [*sources, *PAGES]:
        for target in filter(None, _LINK.findall((ROOT / source).read_text(encoding="utf-8"))):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
            name = _on_the_site(path)
            if path not in PAGES and not path.startswith("docs/") and files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Code run, links as they are here, both twins of a figure that has a dark one."""
    here = page.file.src_uri
    source = next((path for path, name in PAGES.items() if name == here), f"docs/{here}")

    def turned(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), found[1]))
        return f"]({posixpath.relpath(_on_the_site(path), posixpath.dirname(here) or '.')}"

    markdown = _INTERVALS.sub(r"\1 &#91;", executed(source, markdown))
    return _FIGURE.sub(_twins, _LINK.sub(turned, markdown))


def _on_the_site(path: str) -> str:
    """Where a file of the repository stands: code as text, which browsers show."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"repository/{path}{'' if path.endswith('.json') else '.txt'}"


def _twins(found: re.Match[str]) -> str:
    alt, stem, suffix = found.groups()
    if not (ROOT / "docs" / "images" / f"{Path(stem).name}-dark.{suffix}").exists():
        return found[0]
    return f"![{alt}]({stem}.{suffix}#only-light)\n![{alt}]({stem}-dark.{suffix}#only-dark)"


def on_post_build(config: MkDocsConfig) -> None:
    """Keep the reports that tutorials made, and leave their folder."""
    made = Path.cwd()
    os.chdir(_HOME)
    for file in made.glob(MADE):
        shutil.copy(file, Path(config.site_dir) / "tutorials")
    shutil.rmtree(made)
