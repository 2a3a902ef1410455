"""Methods: routes from a setting to the same quantities."""
