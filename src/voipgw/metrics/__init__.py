"""Counters, histograms and quality estimates."""
