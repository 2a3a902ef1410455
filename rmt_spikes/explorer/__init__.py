"""A local page in the browser: settings are changed by hand, and theory and simulation follow."""
