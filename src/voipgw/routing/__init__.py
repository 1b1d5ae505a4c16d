"""The route plan: a small DSL, compiled, that can explain itself."""
