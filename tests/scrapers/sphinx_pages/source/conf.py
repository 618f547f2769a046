import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
project = "lib"
version = release = "1.2"
copyright = "nobody"
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx_tabs.tabs",
    "myst_nb",
]
nb_execution_mode = "off"
html_theme = os.environ.get("THEME", "alabaster")
python_maximum_signature_line_length = 100
html_last_updated_fmt = None
