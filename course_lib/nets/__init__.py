"""The landmark networks, one file a family, short enough to read beside its paper.

>>> from course_lib import nets
>>> net = nets.create("lenet5")                    # random weights; nets.list() has the names
>>> nets.info("lenet5").authors, nets.info("lenet5").year
('LeCun et al.', 1998)

- `create(name, num_classes=…, in_channels=…, weights=PATH)` builds a network. Names, order and
  shapes of the weights are torchvision's where it has the network, so its published files load.
- `list()` has the names in the order of their years, `info(name)` the paper, the counts and the
  published accuracy, `smallest_input(name)` the smallest image that goes through.
- The blocks are public, each in its network's file: `nets.resnet.Bottleneck`.
- `nets.digits` has a small ViT, Swin and ConvNeXt for images of 8×8 pixels.

Each file reads from top to bottom: the paper, what is known (`INFO`), the block, the network as a
table and one loop, and one function for each size of it. torch is imported with this package.
"""

from course_lib.nets import digits
from course_lib.nets.net import Net, NetInfo
from course_lib.nets.registry import create, info, list, smallest_input

__all__ = ["Net", "NetInfo", "create", "digits", "info", "list", "smallest_input"]
