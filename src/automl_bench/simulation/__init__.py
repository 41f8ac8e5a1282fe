"""Services that exist on this machine alone: the simulated cloud, the null provider, and a server on loopback."""
