"""Texts and tables: one columnar file a dataset, from CSV, TSV, JSON lines, Parquet, Excel or folders of texts."""
