"""The inside of `access.take_in`; no door of the house."""
