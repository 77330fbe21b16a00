"""Settings of Sphinx for the reference pages, which are made from the docstrings.

make docs
"""

from sphinx.util.inspect import TypeAliasForwardRef

import siammaskpp_core

project = "siammaskpp"
version = release = siammaskpp_core.__version__
copyright = "the authors of siammaskpp, Apache-2.0"
extensions = ["sphinx.ext.autodoc"]
html_theme = "furo"
add_module_names = False
python_maximum_signature_line_length = 80
html_title = f"siammaskpp {version}"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
_ALIASES = ("AnyArray", "ArrayLike", "Float32Array", "Float64Array", "Image", "Mask", "Source")
autodoc_type_aliases = {name: name for name in _ALIASES}
autodoc_default_options = {"members": True, "undoc-members": False}
autodoc_class_signature = "separated"
default_role = "code"  # `name` in a docstring is code

# Inside a union, Sphinx 9 shows an alias as TypeAliasForwardRef('NAME').
TypeAliasForwardRef.__repr__ = lambda self: self.name  # type: ignore[method-assign]
