"""Call records."""
