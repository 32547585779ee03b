"""Times training steps of YOLOv5n in PyTorch: forward, a loss, backward, SGD with momentum. Prints seconds, one line a step.

Usage: pytorch_training.py BATCH SIZE CLASSES STEPS
The network is that of crates/base/nn; the loss is the mean square of what is predicted, which costs less than a detector's.
"""

import sys
import time

import torch
from torch import nn

WIDTH = 0.25


def channels(full):
    return int(-(-full * WIDTH // 8)) * 8


class Conv(nn.Module):
    def __init__(self, from_, to, kernel=1, stride=1, padding=None):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(from_, to, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(to, eps=1e-3, momentum=0.03)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, input):
        return self.activation(self.norm(self.conv(input)))


class Bottleneck(nn.Module):
    def __init__(self, size, is_residual):
        super().__init__()
        self.reduce, self.expand, self.is_residual = Conv(size, size), Conv(size, size, 3), is_residual

    def forward(self, input):
        output = self.expand(self.reduce(input))
        return input + output if self.is_residual else output


class C3(nn.Module):
    def __init__(self, from_, to, repeats, is_residual):
        super().__init__()
        half = to // 2
        self.through, self.around, self.join = Conv(from_, half), Conv(from_, half), Conv(2 * half, to)
        self.bottlenecks = nn.Sequential(*[Bottleneck(half, is_residual) for _ in range(repeats)])

    def forward(self, input):
        return self.join(torch.cat([self.bottlenecks(self.through(input)), self.around(input)], 1))


class Sppf(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.reduce, self.join, self.pool = Conv(size, size // 2), Conv(2 * size, size), nn.MaxPool2d(5, 1, 2)

    def forward(self, input):
        seen = [self.reduce(input)]
        for _ in range(3):
            seen.append(self.pool(seen[-1]))
        return self.join(torch.cat(seen, 1))


def stage(from_, to, repeats):
    from_, to = channels(from_), channels(to)
    return nn.Sequential(Conv(from_, to, 3, 2), C3(to, to, repeats, True))


class Yolov5n(nn.Module):
    def __init__(self, classes):
        super().__init__()
        size = {full: channels(full) for full in (64, 256, 512, 1024)}
        self.stem = Conv(3, size[64], 6, 2, 2)
        self.edges, self.fine = stage(64, 128, 1), stage(128, 256, 2)
        self.middle, self.coarse, self.pool = stage(256, 512, 3), stage(512, 1024, 1), Sppf(size[1024])
        self.from_coarse, self.up_middle = Conv(size[1024], size[512]), C3(size[1024], size[512], 1, False)
        self.from_middle, self.up_fine = Conv(size[512], size[256]), C3(size[512], size[256], 1, False)
        self.from_fine, self.down_middle = Conv(size[256], size[256], 3, 2), C3(size[512], size[512], 1, False)
        self.to_coarse, self.down_coarse = Conv(size[512], size[512], 3, 2), C3(size[1024], size[1024], 1, False)
        self.upsample = nn.Upsample(scale_factor=2)
        self.head = nn.ModuleList(nn.Conv2d(size[full], 3 * (5 + classes), 1) for full in (256, 512, 1024))

    def forward(self, pictures):
        fine = self.fine(self.edges(self.stem(pictures)))
        middle = self.middle(fine)
        from_coarse = self.from_coarse(self.pool(self.coarse(middle)))
        middle = self.up_middle(torch.cat([self.upsample(from_coarse), middle], 1))
        from_middle = self.from_middle(middle)
        fine = self.up_fine(torch.cat([self.upsample(from_middle), fine], 1))
        middle = self.down_middle(torch.cat([self.from_fine(fine), from_middle], 1))
        coarse = self.down_coarse(torch.cat([self.to_coarse(middle), from_coarse], 1))
        return [head(level) for head, level in zip(self.head, (fine, middle, coarse))]


def main():
    batch, size, classes, steps = map(int, sys.argv[1:])
    network = Yolov5n(classes)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.937, nesterov=True, weight_decay=5e-4)
    pictures = torch.rand(batch, 3, size, size)
    for _ in range(steps):
        begin = time.perf_counter()
        optimiser.zero_grad()
        sum(predicted.square().mean() for predicted in network(pictures)).backward()
        optimiser.step()
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
