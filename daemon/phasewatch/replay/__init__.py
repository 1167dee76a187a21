"""Recorded readings through the same rules and alerts as live ones: a file in, events out, no clock."""
