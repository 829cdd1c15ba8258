"""Turn a GitHub webhook into one verified, admitted, queued look."""
