"""Functions of one real variable that a setting can name, and their Gaussian expansions."""
