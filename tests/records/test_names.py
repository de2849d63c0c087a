"""Names that a caller misspells are refused with the nearest right one."""

from __future__ import annotations

import pytest

from attn_widget.errors import InputError
from attn_widget.records.names import arguments_of, check_names, nearest_name


def test_the_nearest_name_is_named_and_none_where_none_is_near():
    assert nearest_name("tagret", ["text", "target", "truncate"]) == "target"
    assert nearest_name("xyz", ["text", "target"]) is None
    with pytest.raises(
        InputError, match=r"^traits must be among layer, view, got 'veiw'\. Use 'vi"
    ):
        check_names("traits", ["layer", "veiw"], ["layer", "view"])
    with pytest.raises(InputError, match=r"got 'xyz'\. Check the spelling\."):
        check_names("traits", ["xyz"], ["layer", "view"])


def test_arguments_that_take_any_number_are_no_names():
    def function(runner, text, *rest, weights=True, **options):
        raise NotImplementedError

    assert arguments_of(function) == ("text", "weights")
