"""How the documentation site is built: `sphinx-build --conf-dir docs . docs/_build`.

The whole repository is the source, not `docs/` alone. So a link means the same here and on GitHub,
and pages that lie beside what they are about (CONTRIBUTING.md, bench/, results/) are pages of the
site too.
"""

import re
from pathlib import Path

import thetascope

ROOT = Path(__file__).parents[1]

project = "thetascope"
author = copyright = "the thetascope authors"
version = release = thetascope.__version__

extensions = [
    "myst_parser",  # Markdown
    "sphinx.ext.autodoc",  # docstrings
    "sphinx.ext.autosummary",  # a page for every module of the library
    "numpydoc",  # docstrings in NumPy's style
]

# -- what is read ---------------------------------------------------------------------------------

root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/generated/*",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "bench/README.md",
    "results/README.md",
]
# folders that need not be looked through: results and environments hold many thousand files
exclude_patterns = [
    path.relative_to(ROOT).as_posix()
    for parent in (ROOT, ROOT / "results", ROOT / "docs")
    for path in parent.iterdir()
    if path.is_dir() and path.name not in {"docs", "bench", "results", "generated"}
]
myst_heading_anchors = 3  # links to headings, named as GitHub names them

# -- docstrings -----------------------------------------------------------------------------------

templates_path = [str(ROOT / "docs/_templates")]
for page in (ROOT / "docs/generated").glob("*.rst"):  # left over from modules that are gone
    module = ROOT / "workflow_scripts" / page.stem.replace(".", "/")
    if not (module.is_dir() or module.with_suffix(".py").is_file()):
        page.unlink()
autodoc_typehints = "none"  # the docstrings say more: shapes and units
autodoc_member_order = "bysource"
add_module_names = False  # they stand above
default_role = "code"  # `name` in a docstring
numpydoc_show_class_members = False  # they are shown with the class itself

# -- how it looks ---------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"thetascope {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]  # index.html, which leads to docs/index.html
html_copy_source = False
html_show_sphinx = False
html_sidebars = {"docs/index": []}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def as_written(app, what, name, obj, options, lines):
    """Keep the * of `[N, *shape]` and the | of |x| in docstrings: nothing is emphasised there."""
    lines[:] = [
        re.sub(r"(`+[^`]*`+)|([*|])", lambda m: m[1] or f"\\{m[2]}", line) for line in lines
    ]


def setup(app):
    """Connect what Sphinx calls; it comes before numpydoc, which adds emphasis of its own."""
    app.connect("autodoc-process-docstring", as_written, priority=400)
