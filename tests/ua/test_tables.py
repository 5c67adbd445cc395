"""The tables of the state machines are full, and end where they should."""

from __future__ import annotations

import itertools

import pytest

from dialplane.ua import dialog, offeranswer


def test_the_dialog_table_is_full() -> None:
    assert set(dialog.TABLE) == set(itertools.product(dialog.State, dialog.Event))


def test_what_is_terminated_stays_so() -> None:
    for event in dialog.Event:
        assert dialog.TABLE[dialog.State.TERMINATED, event] is dialog.State.TERMINATED
    into_early = {state for (state, _), after in dialog.TABLE.items() if after is dialog.State.EARLY}
    assert into_early == {dialog.State.EARLY}


def test_the_offer_answer_table_is_full() -> None:
    assert set(offeranswer.TABLE) == set(itertools.product(offeranswer.State, offeranswer.Event))


def test_no_offer_while_one_is_open() -> None:
    """RFC 3264 §4; which refusal it gets is RFC 3261 §14.2."""
    for state in (offeranswer.State.OFFERED, offeranswer.State.ASKED):
        for event in (offeranswer.Event.SEND_OFFER, offeranswer.Event.RECEIVE_OFFER):
            assert isinstance(offeranswer.TABLE[state, event], str)
    assert offeranswer.TABLE[offeranswer.State.OFFERED, offeranswer.Event.RECEIVE_OFFER] == "glare"
    assert offeranswer.TABLE[offeranswer.State.ASKED, offeranswer.Event.RECEIVE_OFFER] == "pending"


@pytest.mark.parametrize("path", list(itertools.product(offeranswer.Event, repeat=3)))
def test_whatever_happens_a_refusal_leads_back(path: tuple[offeranswer.Event, ...]) -> None:
    machine = offeranswer.OfferAnswer()
    for event in path:
        before = machine.state
        if machine.on_event(event) is not None:
            assert machine.state is before, "what must not be changes nothing"
    assert machine.on_event(offeranswer.Event.REFUSE) is None
    assert machine.state is offeranswer.State.STABLE
