"""The tests, and `python -m tests`: every check of the project behind one command."""
