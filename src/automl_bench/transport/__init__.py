"""How a request goes out: the one libcurl client, its phases and lanes, bulk sending."""
