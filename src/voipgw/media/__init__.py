"""One leg's media, joined with another's: the engine's handle, streams and blocks on them."""
