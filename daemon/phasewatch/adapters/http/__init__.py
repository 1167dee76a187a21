"""HTTP: server, API, page and the client of the control socket."""
