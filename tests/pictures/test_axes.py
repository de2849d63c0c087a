import numpy as np

from attn_widget.pictures.axes import displayed, merge, merge_flags


def test_without_options_every_token_has_a_row(tokens):
    axis = displayed(tokens)
    assert axis.is_plain
    assert axis.text == tokens.text
    assert axis.positions == ((0,), (1,), (2,), (3,), (4,))


def test_hidden_specials_leave_the_axis_and_keep_the_original_positions(tokens):
    axis = displayed(tokens, hide_special=True)
    assert axis.text == ("key", "s", "turn")
    assert axis.positions == ((1,), (2,), (3,))


def test_words_are_spelt_as_the_user_wrote_them(tokens):
    axis = displayed(tokens, words=True)
    assert axis.text == ("[CLS]", "keys", "turn", "[SEP]")
    assert axis.positions == ((0,), (1, 2), (3,), (4,))


def test_neighbouring_words_of_two_segments_with_the_same_index_stay_apart(tokens):
    from dataclasses import replace

    pair = replace(tokens, segments=(0, 0, 1, 1, 1), source=("key", "s turn"), spans=())
    assert displayed(pair, words=True).positions == ((0,), (1,), (2,), (3,), (4,))


def test_merging_averages_queries_and_sums_keys(attention, tokens):
    axis = displayed(tokens, words=True)
    merged = merge(attention[0], axis, axis)
    assert merged.shape == (2, 4, 4)
    by_hand = (attention[0][1, 1, 3] + attention[0][1, 2, 3]) / 2
    assert np.isclose(merged[1, 1, 2], by_hand)
    assert np.isclose(merged[0, 2, 1], attention[0][0, 3, 1] + attention[0][0, 3, 2])


def test_merging_keeps_the_sum_of_every_row(attention, tokens):
    axis = displayed(tokens, words=True)
    np.testing.assert_allclose(merge(attention[2], axis, axis).sum(-1), 1)


def test_a_merged_pair_is_flagged_only_if_all_its_tokens_are(tokens):
    flags = np.zeros((5, 5), bool)
    flags[1, 3] = True
    axis = displayed(tokens, words=True)
    assert not merge_flags(flags, axis, axis).any()
    flags[2, 3] = True
    assert merge_flags(flags, axis, axis)[1, 2]
    assert merge_flags(flags, axis, axis).sum() == 1


def test_an_axis_of_special_tokens_only_can_be_hidden(tokens):
    from dataclasses import replace

    nothing = displayed(replace(tokens, special=(True,) * 5), hide_special=True)
    assert len(nothing) == 0
    assert merge(np.full((2, 5, 5), 0.2), nothing, nothing).shape == (2, 0, 0)
