"""Files of the repository that pages link to, such as records of benchmarks: the site has copies of them.

On GitHub a link such as `../benches/record/x.json` leads there; a site has nothing outside its pages.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what pages link to."""
    for page in Path(config.docs_dir).glob("*.md"):
        for path in OUTSIDE.findall(page.read_text()):
            if (ROOT / path).is_file() and files.get_file_from_path(path) is None:
                files.append(File(path, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lets links lead to the copies."""
    return OUTSIDE.sub(r"](\1)", markdown)
