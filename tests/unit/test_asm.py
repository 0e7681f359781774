"""The assembler, against instruction words put together by hand from the kernel's documents."""

from __future__ import annotations

import pytest

from bpfman_core.dispatch.asm import R0, R1, R2, R3, R6, TAIL_CALL, Assembler


@pytest.fixture
def asm() -> Assembler:
    return Assembler()


def words(asm: Assembler) -> list[str]:
    code = asm.finish()
    return [code[at : at + 8].hex(" ") for at in range(0, len(code), 8)]


def test_move_copies_a_register(asm: Assembler) -> None:
    asm.move(R6, R1)
    assert words(asm) == ["bf 16 00 00 00 00 00 00"]


def test_set64_and_set32_differ_in_their_class(asm: Assembler) -> None:
    asm.set64(R3, 7)
    asm.set32(R0, -1)
    assert words(asm) == ["b7 03 00 00 07 00 00 00", "b4 00 00 00 ff ff ff ff"]


def test_a_map_takes_two_words(asm: Assembler) -> None:
    asm.load_map(R2, 5)
    asm.exit()
    assert asm.position == 3
    assert words(asm) == [
        "18 12 00 00 05 00 00 00",
        "00 00 00 00 00 00 00 00",
        "95 00 00 00 00 00 00 00",
    ]


def test_a_helper_is_called_by_number(asm: Assembler) -> None:
    asm.call_helper(TAIL_CALL, "tail_call")
    assert words(asm) == ["85 00 00 00 0c 00 00 00"]


def test_a_jump_counts_from_the_instruction_behind_it(asm: Assembler) -> None:
    asm.label("top")
    asm.jump_if_equal(R0, 2, "end")
    asm.jump_unless_equal(R0, -1, "top")
    asm.label("end")
    asm.exit()
    assert words(asm)[:2] == ["16 00 01 00 02 00 00 00", "56 00 fe ff ff ff ff ff"]


def test_a_call_of_a_function_keeps_its_distance_in_the_immediate(asm: Assembler) -> None:
    asm.call("later")
    asm.exit()
    asm.label("later")
    asm.exit()
    assert words(asm)[0] == "85 10 00 00 01 00 00 00"


def test_a_jump_over_a_map_counts_both_of_its_words(asm: Assembler) -> None:
    asm.jump_if_equal(R0, 0, "end")
    asm.load_map(R2, 5)
    asm.label("end")
    asm.exit()
    assert words(asm)[0] == "16 00 02 00 00 00 00 00"


def test_a_label_is_given_once(asm: Assembler) -> None:
    asm.label("here")
    with pytest.raises(ValueError, match="'here'"):
        asm.label("here")


def test_a_label_must_exist(asm: Assembler) -> None:
    asm.call("nowhere")
    with pytest.raises(KeyError, match="nowhere"):
        asm.finish()


def test_the_listing_names_labels_and_targets(asm: Assembler) -> None:
    asm.label("main")
    asm.call("end")
    asm.jump_if_equal(R0, 0x12345, "end")
    asm.label("end")
    asm.exit()
    assert asm.listing().splitlines() == [
        "main:",
        "    0: call end@2",
        "    1: if w0 == 0x12345 goto end@2",
        "end:",
        "    2: exit",
    ]
