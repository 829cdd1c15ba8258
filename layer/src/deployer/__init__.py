"""The shared Lambda layer: vocabulary, ports and adapters."""
