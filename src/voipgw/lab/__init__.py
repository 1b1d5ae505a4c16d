"""A whole gateway, its peers, lines and faults, in one process on a virtual clock."""
