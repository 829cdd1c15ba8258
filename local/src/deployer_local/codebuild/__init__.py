"""CodeBuild on the laptop: buildspec 0.2 as a local process, in AWS's words."""
