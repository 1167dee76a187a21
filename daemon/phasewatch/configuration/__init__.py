"""The site file and all it names (profiles, limit presets, messages): read, checked, refused with the place."""
