"""The laptop engine: the whole lifecycle on an emulated AWS."""
