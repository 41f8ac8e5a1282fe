"""What is written for somebody to go on from: the package of a new provider."""
