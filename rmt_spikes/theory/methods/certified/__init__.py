"""The closed form to any number of digits, in ball arithmetic: every number carries its rounding error."""
