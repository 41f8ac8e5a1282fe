"""Who learns it: discovery, dispatch, capability gate."""
