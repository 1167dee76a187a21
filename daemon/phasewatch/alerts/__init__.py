"""The life cycle of an alert, and which alert explains which."""
