"""What a person at a terminal sees and types: tables, progress, documents, interruption."""
