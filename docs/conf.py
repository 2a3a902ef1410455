"""Configuration of Sphinx."""

import logging
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

project = "rmt_spikes"
copyright = "2026, the rmt_spikes developers"
_package = (HERE.parent / "rmt_spikes" / "__init__.py").read_text(encoding="utf-8")
release = version = _package.split('__version__ = "')[1].split('"')[0]

extensions = [
    "derivations",
    "myst_nb",
    "offline",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinxcontrib.programoutput",
]
exclude_patterns = ["_*", "conf.py", "scripts"]
# A name of this package that leads nowhere is an error. Other packages are not linked to: that would need the
# network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!rmt_spikes\b).*"),
    # Types in signatures that are not public: what they are is said in words.
    ("py:class", r".*\.(ScalarFunction|HermiteExpansion|Realisation|CaseResult|Progress|Number|Rows)"),
    ("py:class", r".*\.(Failure|Outliers|LossErrors|SignError|Teacher|Inputs|Theme)"),
    ("py:class", r".*\.(RowCalibration|Precision|Scaling|ToleranceTable)"),
]

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
mathjax_path = "mathjax/tex-svg.js"
# The menu would offer what is not in the vendored file.
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"scale": 0.92}}

# Every cell runs at every build; an error in a cell is an error of the build.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 180
nb_merge_streams = True
# The fast closed form warns of its error bars; the pages say by how much it is off.
nb_output_stderr = "remove"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
napoleon_google_docstring = False

html_theme = "furo"
html_title = "rmt_spikes"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_js_files = ["pages.js"]
html_show_sourcelink = False
html_copy_source = False

# Kernels without the profile of whoever builds: they speak up for errors only, and typeset symbols as the
# theory page does.
_profile = HERE / "_build" / "ipython" / "profile_default"
_profile.mkdir(parents=True, exist_ok=True)
(_profile / "ipython_kernel_config.py").write_text(
    f"""c = get_config()
c.IPKernelApp.log_level = 40
c.InteractiveShellApp.exec_files = [{str(HERE / "_kernel" / "symbols.py")!r}]
""",
    encoding="utf-8",
)
os.environ["IPYTHONDIR"] = str(_profile.parent)
logging.getLogger("traitlets").setLevel(logging.WARNING)

# For what runs on the pages. One thread a process: the matrices are small, and numbers do not depend on the
# number of processors.
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
# Who wants no bytecode beside the modules has it here: else each kernel would compile all that it imports.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = str(HERE / "_build" / "bytecode")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["COLUMNS"] = "84"
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")
