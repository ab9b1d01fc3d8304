"""The network that reads: a crop in, the two digits of its number out."""

from __future__ import annotations

import torch
from torch import nn

from legibility.crops import COLUMNS, ROWS


class Network(nn.Module):
    """Three convolutions and two heads, 45,000 parameters."""

    def __init__(self, channels: tuple[int, ...] = (16, 32, 64)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for after in channels:
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2, ceil_mode=True)]
            before = after
        self.features = nn.Sequential(*layers, nn.Flatten())
        with torch.no_grad():
            inputs = self.eval().features(torch.zeros(1, 3, ROWS, COLUMNS)).shape[1]
        self.drop = nn.Dropout(0.1)
        self.tens = nn.Linear(inputs, 10)  # 0: a single digit
        self.units = nn.Linear(inputs, 11)  # 10: no number at all

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of tens (n, 10) and units (n, 11) for crops (n, 3, ROWS, COLUMNS)."""
        crops = crops - crops.mean(dim=(1, 2, 3), keepdim=True)
        crops = crops / (crops.std(dim=(1, 2, 3), keepdim=True) + 0.05)
        found = self.drop(self.features(crops))
        return self.tens(found), self.units(found)


def digits(numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the heads should say of numbers (n,), 0 for none."""
    return numbers // 10, torch.where(numbers == 0, 10, numbers % 10)
