"""Watches three-phase voltages, names neutral and earth faults, publishes alerts."""
