"""MQTT: the only importer of paho."""
