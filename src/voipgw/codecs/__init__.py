"""Audio codecs behind one registry."""
