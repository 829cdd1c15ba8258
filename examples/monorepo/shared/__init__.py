"""What both services need."""
