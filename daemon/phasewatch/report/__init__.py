"""The report of a site: one HTML page of what is measured, what it means, and what happened."""
