"""What bpfman does, one module per operation, each a function over `Context`.

The caller holds the writer lock for all but `views`. Every change is a plan with its undo; the
store is told beforehand, so that `recover` can finish or take back what a crash cut short.
"""
