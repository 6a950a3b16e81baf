"""Networks in torch; a new one is a module here that keeps `protocol.MaskNetwork`."""
