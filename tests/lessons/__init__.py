"""The claims of the lessons, each with its control."""
