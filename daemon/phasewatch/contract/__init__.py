"""What leaves the daemon: topics, schemas, payloads."""
