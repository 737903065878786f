"""Windows against loops over them, the mask against the rule it stands for."""

import pytest
import torch

from course_lib.nets.windows import shifted_window_mask, window_partition, window_reverse


def test_windows_come_row_by_row_and_image_by_image():
    x = torch.rand(2, 3, 4, 6)
    windows = [
        image[:, top : top + 2, left : left + 2]
        for image in x
        for top in (0, 2)
        for left in (0, 2, 4)
    ]
    assert torch.equal(window_partition(x, 2), torch.stack(windows))


@pytest.mark.parametrize(
    ("height", "width", "window"), [(4, 6, 2), (3, 9, 3), (5, 5, 5), (2, 3, 1)]
)
def test_reverse_undoes_partition(height, width, window):
    x = torch.rand(2, 3, height, width)
    assert torch.equal(window_reverse(window_partition(x, window), window, height, width), x)


@pytest.mark.parametrize("size", [(5, 4), (4, 5)])
def test_maps_that_windows_do_not_tile_are_refused(size):
    with pytest.raises(ValueError, match=rf"\(={size[0]}, {size[1]}\) must be multiples of"):
        window_partition(torch.rand(1, 1, *size), 2)


@pytest.mark.parametrize("size", [(4, 8), (6, 6), (4, 4)])
@pytest.mark.parametrize("shift", [0, 1, (1, 0), (0, 1)])
def test_tokens_meet_where_they_were_neighbours_before_the_shift(size, shift):
    height, width = size
    window = 2
    down, right = (shift, shift) if isinstance(shift, int) else shift
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    at = torch.stack([rows, columns])[None].roll((-down, -right), dims=(2, 3))
    at = window_partition(at, window).flatten(2)  # (n_windows, 2, window²): where they came from
    # In a window nobody is further than window − 1 from anyone, unless the shift wrapped around.
    apart = (at[:, :, :, None] - at[:, :, None, :]).abs().amax(1) >= window
    expected = torch.where(apart, -100.0, 0.0)
    assert torch.equal(shifted_window_mask(height, width, window, shift), expected)


def test_larger_windows_and_shifts():
    mask = shifted_window_mask(6, 6, 3, 2)
    assert mask.shape == (4, 9, 9)
    assert not mask[0].any()
    # In the last window 1 row of 3 is from above the wrap, 2 from below: 1·1, 1·2, 2·1, 2·2 tokens.
    assert sorted((mask[3] == 0).sum(1).tolist()) == [1, 2, 2, 2, 2, 4, 4, 4, 4]
    assert torch.equal(mask, mask.transpose(1, 2))
