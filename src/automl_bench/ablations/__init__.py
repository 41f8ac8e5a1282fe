"""Which part of a dataset is learnt from: splitting, nested subsets, provider manifests."""
