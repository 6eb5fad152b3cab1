"""GAN Lessons: the small helper package behind the notebooks.

Importing this costs nothing: each room (`gan_lessons.training`, `gan_lessons.live`, ...)
is imported by name where it is used, and `python3 -m gan_lessons` must start on a bare
Python that has none of the dependencies yet. In a notebook it looks at the environment first, so
that a reader is told in a sentence what would end in pages of JAX's.
"""

import sys

__version__ = "0.1.0"

if (
    getattr(sys.modules.get("IPython"), "get_ipython", None)
    and sys.modules["IPython"].get_ipython()
):
    from gan_lessons.environment import check_notebook

    check_notebook()
