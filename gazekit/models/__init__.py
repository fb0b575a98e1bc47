"""The networks of both papers."""
