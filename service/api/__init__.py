"""The HTTP API: what the command line does, for programs; `service.api.app.create_app` makes it."""
