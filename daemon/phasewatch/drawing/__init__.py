"""Draws the picture and time series as SVG text: pure functions from plain numbers."""
