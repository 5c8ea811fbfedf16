"""Copy files of the repository that pages link to, such as records of benchmarks, to the site.

On GitHub a link such as `../benches/record/x.json` leads to the file. A site has only its pages.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)\)")
# Pages at the root of the repository, by the names that they have in docs.
AT_ROOT = {page.name: page.resolve().name for page in Path(__file__).parent.glob("*.md") if page.is_symlink()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files that pages link to."""
    for page in Path(config.docs_dir).glob("*.md"):
        for path in OUTSIDE.findall(page.read_text()):
            if (ROOT / path).is_file() and files.get_file_from_path(path) is None:
                files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links at the copies, and links of pages at the root at the pages of the site."""
    if page.file.src_uri in AT_ROOT:
        markdown = markdown.replace("](docs/", "](")
        for name, at_root in AT_ROOT.items():
            markdown = markdown.replace(f"]({at_root})", f"]({name})")
    # Pages in folders link to other pages in this way.
    return markdown if "/" in page.file.src_uri else OUTSIDE.sub(r"](\1)", markdown)
