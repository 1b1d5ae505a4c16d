"""Sphinx configuration."""

from __future__ import annotations

import voipgw

project = "voipgw"
author = "The voipgw developers"
copyright = "2026, the voipgw developers"
release = version = voipgw.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.intersphinx", "sphinx.ext.viewcode"]
intersphinx_mapping = {}
exclude_patterns = ["_build", "changes"]
html_theme = "furo"
html_title = f"voipgw {version}"
html_static_path = ["_static"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
nitpicky = False
