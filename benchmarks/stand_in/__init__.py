"""An S3 on loopback for the benchmarks: in memory, over TLS, in a process of its own; only the clients are measured."""
