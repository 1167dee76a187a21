"""Thin commands over everything below."""
