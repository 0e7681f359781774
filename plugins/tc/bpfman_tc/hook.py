"""The TC hook and its verdicts."""

from bpfman_core.plugin import AttachType, HookType, ProgramKind, Verdicts

VERDICTS = Verdicts(
    codes={
        "unspec": -1,
        "ok": 0,
        "reclassify": 1,
        "shot": 2,
        "pipe": 3,
        "stolen": 4,
        "queued": 5,
        "repeat": 6,
        "redirect": 7,
        "trap": 8,
        "dispatcher_return": 30,
    },
    default=("pipe", "dispatcher_return"),
    usual=3,
    end=0,
    open=0,
    closed=2,
    # TCX lets a packet pass on `stolen` and `trap`, which clsact consumes; of the others it knows
    # ok, shot and redirect, and takes any other code to end the row (kernel/net/core/dev.c,
    # tcx_run). So consumed ones are dropped, and the rest is left to those behind.
    returns={0: 0, 2: 2, 7: 7, 4: 2, 8: 2},
    unknown=-1,
)

TC = HookType(
    word="tc",
    kind=ProgramKind.SCHED_CLS,
    expected_attach_type=AttachType.NONE,
    context="__sk_buff",
    verdicts=VERDICTS,
)
