"""Legs and the call between them."""
