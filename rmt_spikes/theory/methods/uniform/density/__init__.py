"""The resolvent on its branch cut: support and density of the bulk."""
