"""GAN Lessons: the small helper package behind the notebooks.

Importing this costs nothing: each room (`gan_lessons.training`, `gan_lessons.live`, ...)
is imported by name where it is used, and `python3 -m gan_lessons` must start on a bare
Python that has none of the dependencies yet.
"""

__version__ = "0.1.0"
