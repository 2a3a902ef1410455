"""Values of single samples of other draws of the first batch."""
