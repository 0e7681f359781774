"""bpfman over gRPC: the protocol, the server of it, and a client that is an `api.Api`.

`bpfman.proto` is the format that all clients share, `extra.proto` what this implementation adds.
The modules in `generated` are made from them by `scripts/proto`.
"""
