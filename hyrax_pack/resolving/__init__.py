"""From a name in the configuration to a class or function: the one place that imports user code.

names.py      what a name means: registered, dotted, or path/to/file.py:Class
loading.py    run a user's file or import a package, with the line that failed
upstream.py   while that runs, `hyrax.models` answers with our decorator
user_code.py  what user code raises becomes one line that names its place
"""

from hyrax_pack.resolving.loading import load_class_file
from hyrax_pack.resolving.names import register_class, resolve_class, resolve_function
from hyrax_pack.resolving.user_code import user_code

__all__ = ["load_class_file", "register_class", "resolve_class", "resolve_function", "user_code"]
