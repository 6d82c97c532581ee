"""One file a source: how its deliveries are signed, named and translated. Pure."""
