"""Training: a run's configuration and data, its stages, and what it writes."""
