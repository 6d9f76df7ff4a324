"""Shared signals: streams, what they say, and how it arrives."""
