"""An assistant may ask: a Model Context Protocol server over the same routes and keys."""
