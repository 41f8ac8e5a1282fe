"""What several plugins need, once. Sees the contract and the errors only."""
