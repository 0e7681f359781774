"""The dispatcher library: many programs in order on one hook that takes only one.

`chain.Chain` is the whole of it for a plugin that has a `hook.HookType`. The protocol that it
follows is written down in `docs/dispatcher.md`.
"""
