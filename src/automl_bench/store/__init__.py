"""What is kept: one SQLite file, migrations, exports."""
