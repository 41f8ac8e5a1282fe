"""The Python API: a workspace as an object, with the engine of the commands behind it."""
