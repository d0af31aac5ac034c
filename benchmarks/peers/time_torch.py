"""PyTorch, timed: a `DataLoader` with a worker a core, and the network as eager modules. It keeps nothing."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from turns import open_square, photos_of, serve

STAGES = (  # blocks, kernel, stride, expansion, filters: EfficientNet-Lite0
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
BATCH = 32


class Convolution(nn.Module):
    """A convolution padded as TensorFlow does, and its BatchNorm."""

    def __init__(self, inputs: int, filters: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, filters, kernel, stride, bias=False, groups=groups)
        self.norm = nn.BatchNorm2d(filters, eps=1e-3)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Any) -> Any:
        """Turn `(b, c, h, w)` into `(b, filters, h / stride, w / stride)`."""
        size = x.shape[-1]
        need = max(0, (-(-size // self.stride) - 1) * self.stride + self.kernel - size)
        sides = (need // 2, need - need // 2)
        return self.norm(self.conv(functional.pad(x, sides * 2)))


class Block(nn.Module):
    """Widen, filter each channel, narrow; add the input where it fits."""

    def __init__(self, inputs: int, kernel: int, stride: int, expansion: int, filters: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = Convolution(inputs, wide, 1, 1, 1) if expansion > 1 else None
        self.depthwise = Convolution(wide, wide, kernel, stride, wide)
        self.project = Convolution(wide, filters, 1, 1, 1)

    def forward(self, x: Any) -> Any:
        """Turn `(b, c, h, w)` into `(b, filters, ...)`."""
        y = functional.relu6(self.expand(x)) if self.expand is not None else x
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if x.shape == y.shape else y


class Lite0(nn.Module):
    """EfficientNet-Lite0 up to its pooled features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = Convolution(3, 32, 3, 2, 1), Convolution(320, 1280, 1, 1, 1)
        blocks, inputs = [], 32
        for count, kernel, stride, expansion, filters in STAGES:
            for index in range(count):
                blocks.append(
                    Block(inputs, kernel, stride if index == 0 else 1, expansion, filters)
                )
                inputs = filters
        self.blocks = nn.Sequential(*blocks)

    def forward(self, pixels: Any) -> Any:
        """Turn uint8 `(b, 224, 224, 3)` into `(b, 1280)`."""
        x = (pixels.permute(0, 3, 1, 2).float() - 127) / 128
        x = self.blocks(functional.relu6(self.stem(x)))
        return functional.relu6(self.head(x)).mean(dim=(2, 3))


def load_imagenet(network: Lite0, file: str) -> None:
    """Fill the network from the published state dict."""
    found = torch.load(file, map_location="cpu", weights_only=True)

    def fill(ours: Convolution, conv: str, norm: str) -> None:
        ours.conv.weight.data.copy_(found[f"{conv}.weight"])
        for part in ("weight", "bias", "running_mean", "running_var"):
            getattr(ours.norm, part).data.copy_(found[f"{norm}.{part}"])

    fill(network.stem, "_conv_stem", "_bn0")
    fill(network.head, "_conv_head", "_bn1")
    for number, block in enumerate(network.blocks):
        for part, norm in (("expand", 0), ("depthwise", 1), ("project", 2)):
            if getattr(block, part) is not None:
                name = f"_blocks.{number}"
                fill(getattr(block, part), f"{name}._{part}_conv", f"{name}._bn{norm}")


class Photos(Dataset[Any]):
    """Photos of a folder."""

    def __init__(self, folder: Path) -> None:
        self._paths = photos_of(folder)

    def __len__(self) -> int:
        """Return how many."""
        return len(self._paths)

    def __getitem__(self, number: int) -> Any:
        """Return one, uint8 `(224, 224, 3)`."""
        return np.array(open_square(self._paths[number]))


NETWORK = Lite0().eval()
load_imagenet(NETWORK, os.environ["PEERS_TORCH"])


def features(photos: Path, what: str) -> Any:
    """Run the network over all photos."""
    loader = DataLoader(Photos(photos), batch_size=BATCH, num_workers=os.cpu_count() or 1)
    with torch.inference_mode():
        return np.concatenate([NETWORK(pixels).numpy() for pixels in loader])


if __name__ == "__main__":
    serve(("torch",), features)
