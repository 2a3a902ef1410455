"""Values that single samples make."""
