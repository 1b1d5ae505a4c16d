"""Where users, registrations and quotas are kept."""
