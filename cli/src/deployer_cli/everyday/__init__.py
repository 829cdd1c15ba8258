"""What one does with an installation every day: look at environments, and ask for something by hand."""
