"""Reports: pages and figures."""
