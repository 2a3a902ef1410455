"""What every refusal must be."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rmt_spikes.errors import DomainError


@contextmanager
def refused(field: str, *mentions: str) -> Iterator[pytest.ExceptionInfo[DomainError]]:
    """Require an error about a field whose message mentions these, on one short printable line."""
    with pytest.raises(DomainError) as caught:
        yield caught
    message = str(caught.value)
    assert caught.value.field == field
    assert message.startswith(f"{field}: ")
    assert all(mention in message for mention in mentions)
    assert len(message) < 300
    assert message.isprintable()
