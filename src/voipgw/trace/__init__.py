"""What a call looked like: captures and ladder diagrams."""
