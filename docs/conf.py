"""How Sphinx builds these pages."""

project = "hyrax-pack"
author = "The hyrax-pack developers"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "hyrax-pack"
myst_heading_anchors = 3
