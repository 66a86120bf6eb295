"""Tools for agents: the library by the Model Context Protocol."""
