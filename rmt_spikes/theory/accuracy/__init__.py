"""Error bars of predicted numbers: what the equations leave out, and how much that has been."""
