"""The test kit: what bpfman's own tests and those of third-party plugins are made of.

`plugin` is a pytest plugin, found by its entry point: it brings the fixtures and the marker
`kernel`. `contract` holds the tests that every program type must pass.
"""
