"""Bulk levels and special directions of one gradient step in one pencil (prototype)."""
