"""Our protocol holds the shared format, number for number, and adds only from 1000 up."""

import pytest

from bpfman_core.rpc.generated import bpfman_pb2 as ours


def shape(field):
    kind = field.message_type.name if field.message_type is not None else field.type
    oneof = field.containing_oneof.name if field.containing_oneof else None
    repeated = field.is_repeated
    return field.name, kind, oneof, repeated, field.has_presence


def fields(message):
    return {field.number: shape(field) for field in message.fields}


def test_every_field_has_its_number_name_and_type(foreign):
    for name, message in foreign.file.message_types_by_name.items():
        mine = fields(ours.DESCRIPTOR.message_types_by_name[name])
        assert {number: one for number, one in mine.items() if number < 1000} == fields(message)


def test_program_types_have_their_numbers(foreign):
    mine = ours.BpfmanProgramType.items()
    theirs = foreign.file.enum_types_by_name["BpfmanProgramType"].values
    assert mine == [(value.name, value.number) for value in theirs]


def test_methods_take_and_give_what_clients_expect(foreign):
    def methods(file):
        found = file.services_by_name["Bpfman"].methods
        return {m.name: (m.input_type.full_name, m.output_type.full_name) for m in found}

    assert methods(ours.DESCRIPTOR) == methods(foreign.file)


def test_no_message_of_ours_is_in_their_package(foreign):
    assert set(ours.DESCRIPTOR.message_types_by_name) == set(foreign.file.message_types_by_name)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_numbers_of_an_older_dialect_stay_unused(number):
    assert number not in fields(ours.LoadRequest.DESCRIPTOR)
