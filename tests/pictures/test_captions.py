import numpy as np
import pytest

from attn_widget.pictures import lines as lines_module
from attn_widget.pictures.axes import displayed
from attn_widget.pictures.captions import caption
from attn_widget.pictures.frame import Numbers, head_frame
from attn_widget.pictures.lines import Selection, in_viewport, lines_of
from attn_widget.pictures.protocol import Spec
from attn_widget.records import Tokens
from tests.pictures import stored_captions


def frame_of(values, spec=None, **options):
    axis = displayed(Tokens(tuple(f"t{i}" for i in range(values.shape[-1]))))
    return head_frame(
        spec or Spec(), Numbers(values, tuple(range(len(values))), **options), axis, axis
    )


def test_the_stored_frames_and_captions_are_the_present_ones():
    assert stored_captions.FILE.read_text(encoding="utf-8") == stored_captions.stored()


def test_a_line_is_drawn_from_the_threshold_up_and_zeros_never():
    values = np.array([[[1.0, 0.0], [0.25, 0.75]]])
    frame = frame_of(values)
    quarter = float(lines_module.decoded(frame, "weights")[0, 1, 0])
    assert len(lines_of(frame, Selection([0], threshold=quarter))) == 3
    assert len(lines_of(frame, Selection([0], threshold=quarter + 1e-6))) == 2
    assert len(lines_of(frame, Selection([0], threshold=0.0))) == 3


def test_lines_come_weakest_first_and_the_rest_is_the_weight_without_lines():
    values = np.array([[[0.9, 0.1], [0.4, 0.6]]])
    lines = lines_of(frame_of(values), Selection([0], threshold=0.3))
    assert (np.diff(lines.weight) >= 0).all()
    assert lines.left_out == pytest.approx(0.05, abs=0.01)
    assert caption(frame_of(values), Selection([0], threshold=0.3)) == [
        "3 of 4 lines drawn · left out: lines below 0.30, "
        f"{100 * lines.left_out:.1f} % of the attention"
    ]


def test_rounded_weights_never_leave_out_more_than_there_is():
    values = np.random.default_rng(0).random((1, 60, 60)) ** 8
    values /= values.sum(-1, keepdims=True)
    lines = lines_of(frame_of(values), Selection([0], threshold=0.99))
    assert len(lines) == 0
    assert lines.rest > lines.total  # each byte is rounded
    assert lines.left_out == 1


def test_above_64_tokens_each_query_and_head_has_its_strongest_keys():
    values = np.random.default_rng(0).dirichlet(np.full(70, 0.1), (2, 70))
    lines = lines_of(frame_of(values), Selection([0, 1]))
    assert lines.per_row == 8
    rows, counts = np.unique(np.stack([lines.lane, lines.query]), axis=1, return_counts=True)
    assert rows.shape[1] == 140
    assert counts.max() == 8
    weakest = min(lines.weight[(lines.lane == 1) & (lines.query == 5)])
    others = np.sort(values[1, 5])[::-1]
    assert weakest == pytest.approx(others[7], abs=0.01)


def test_the_caption_states_what_is_outside_the_viewport():
    values = np.full((1, 200, 200), 1 / 200)
    said = caption(frame_of(values), Selection([0]), (50, 200))
    assert said[-1] == "rows 50–199 of 200"
    drawn, dropped = in_viewport(lines_of(frame_of(values), Selection([0])), 50, 200)
    assert (len(drawn), dropped) == (150 * 8, 0)


def test_weights_that_are_not_numbers_are_counted_and_never_lines():
    values = np.full((1, 3, 3), 1 / 3)
    values[0, 1, 1] = np.nan
    frame = frame_of(values)
    assert len(lines_of(frame, Selection([0]))) == 8
    assert caption(frame, Selection([0]))[-1] == "1 weight not a number"


def test_hidden_keys_are_named_with_their_share():
    tokens = Tokens(("[CLS]", "a", "b"), special=(True, False, False))
    axis = displayed(tokens, hide_special=True)
    values = np.full((1, 3, 3), 1 / 3)
    frame = head_frame(Spec(hide_special=True), Numbers(values, (0,)), axis, axis)
    said = caption(frame, Selection([0]))
    assert said[1] == "hidden: special tokens, 33.3 % of the attention"
    of_key = caption(frame, Selection([0], key=[1]))
    assert len(of_key) == 1
