"""Modbus TCP, RTU, RTU over TCP and UDP: the only importer of pymodbus."""
