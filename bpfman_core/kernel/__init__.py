"""The kernel's interfaces, one module each: nothing here knows of plugins, state or users.

Failed calls raise `KernelError`; descriptors are owned by `Fd`.
"""
