"""Campaigns: the trials of cases, stored and resumed."""
