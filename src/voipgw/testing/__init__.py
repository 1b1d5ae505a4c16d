"""Conformance kits and seeded generators for users' own drivers, legs and stores."""
