"""Tell GitHub and Slack what a pipeline run is doing."""
