"""What a meter says: quantities, profile, read plan, decoding, measuring point."""
