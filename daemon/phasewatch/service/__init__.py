"""The running daemon; `service.service` has the only clock."""
