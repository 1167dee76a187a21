"""The journal on SQLite: alert states, events, outbox, evidence."""
