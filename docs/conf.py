"""Settings of the site: ``python -m sphinx -W --keep-going -b html docs build/docs``."""

import sys
from pathlib import Path

import matplotlib

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
# The examples draw into files.
matplotlib.use("Agg")

from sknmf_unfold import __version__

project = "sknmf_unfold"
author = "the sknmf_unfold developers"
project_copyright = f"2026, {author}"
version = release = __version__

# No extension needs the network: no intersphinx, and formulae are MathML.
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "class_members",
    "docstring_types",
    "local_mathml",
]
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_templates", "examples", "**/README.rst"]
# `name` links to the page of the API where there is one, and is code elsewhere.
default_role = "py:obj"
add_module_names = False
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
autosummary_generate = True
autosummary_context = {}
# The context has a function, which the cache of the build cannot keep.
suppress_warnings = ["config.cache"]
numpydoc_show_class_members = False
html_math_renderer = "mathml"

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"/_|__init__",
    "reset_modules": ("matplotlib",),
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "min_reported_time": 1,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "plot_gallery": True,
    "backreferences_dir": "auto_examples/backreferences",
    "doc_module": ("sknmf_unfold",),
    "parallel": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"sknmf_unfold {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "sknmf_unfold"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_nav_level": 1,
    "navigation_depth": 3,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages without a section of their own have no navigation at their left.
html_sidebars = {
    name: []
    for name in ("index", "getting_started", "mathematics", "results", "notebook", "model_cards")
}
