"""What there is to learn: catalogue, acquisition, image folders, tables, checks, fingerprints."""
