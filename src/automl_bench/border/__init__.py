"""What comes from outside (plugins, services, files) is checked here once: its values, its texts, its cells."""
