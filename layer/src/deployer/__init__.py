"""The shared layer of deployer: pure vocabulary, ports and adapters.

Pure modules (refs, environments, events, states, errors, settings, ports, templates) import nothing but the
standard library and each other. Adapters speak to AWS, GitHub and Slack. ``deployer.testing`` holds in-memory
ports. Importing this package imports nothing else.
"""
