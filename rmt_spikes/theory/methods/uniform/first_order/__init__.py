"""Rows by the first orders of the step (docs/theory.md section 4.1)."""
