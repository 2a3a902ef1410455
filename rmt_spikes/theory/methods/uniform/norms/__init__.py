"""Norms as latent variables: few dimensions, or many neurons a dimension (docs/theory.md section 10)."""
