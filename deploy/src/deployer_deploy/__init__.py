"""Package the functions and install them, stack by stack."""
