"""Checked configuration, assembly and supervision of a whole gateway; the public runner."""
