"""Files of the repository that pages link to, such as records of benchmarks: the site has copies of them.

On GitHub a link such as `../benches/record/x.json` leads there; a site has nothing outside its pages.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)\)")
# Pages that stand at the root of the repository, where others find them as `NAME.md`.
AT_ROOT = {page.name: page.resolve().name for page in Path(__file__).parent.glob("*.md") if page.is_symlink()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what pages link to."""
    for page in Path(config.docs_dir).glob("*.md"):
        for path in OUTSIDE.findall(page.read_text()):
            if (ROOT / path).is_file() and files.get_file_from_path(path) is None:
                files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lets links lead to the copies, and links of pages at the root to where the site has them."""
    if page.file.src_uri in AT_ROOT:
        markdown = markdown.replace("](docs/", "](")
        for name, at_root in AT_ROOT.items():
            markdown = markdown.replace(f"]({at_root})", f"]({name})")
    return OUTSIDE.sub(r"](\1)", markdown)
