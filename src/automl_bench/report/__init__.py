"""What is shown: tables, figures, one-file HTML."""
