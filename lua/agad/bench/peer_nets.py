"""The networks of the PyTorch peer (peer.py): the paper's three generators and the discriminator."""

import torch
import torch.nn as nn
import torch.nn.functional as F

SLOPE = 0.2
LEVELS = 5                                                  # of the UNets


def conv(inputs, outputs, stride=2, padding=1, kernel=4, bias=False):
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)


def deconv(inputs, outputs, stride=2, padding=1, kernel=4):
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, bias=False)


class Trunk(nn.Module):
    """What the naive generator, the discriminator and GANomaly's encoders begin with."""

    def __init__(self, channels, norm="bn"):
        super().__init__()
        bias = norm == "none"
        self.conv1 = conv(channels, 64)
        self.conv2 = conv(64, 128, bias=bias)
        self.bn2 = nn.BatchNorm2d(128) if norm == "bn" else nn.Identity()
        self.conv3 = conv(128, 256, bias=bias)
        self.bn3 = nn.BatchNorm2d(256) if norm == "bn" else nn.Identity()

    def features(self, x):                                  # (B, 256, h/8, w/8)
        h = F.leaky_relu(self.conv1(x), SLOPE)
        h = F.leaky_relu(self.bn2(self.conv2(h)), SLOPE)
        return F.leaky_relu(self.bn3(self.conv3(h)), SLOPE)


class Generator(Trunk):
    """The naive encoder-decoder of the paper's Table 7."""

    def __init__(self, channels):
        super().__init__(channels)
        self.conv4 = conv(256, 100)
        self.deconv5 = deconv(100, 256)
        self.bn5 = nn.BatchNorm2d(256)
        self.deconv6 = deconv(256, 128)
        self.bn6 = nn.BatchNorm2d(128)
        self.deconv7 = deconv(128, 64)
        self.bn7 = nn.BatchNorm2d(64)
        self.deconv8 = deconv(64, channels)

    def forward(self, x):                                   # (B, nc, h, w)
        h = self.conv4(self.features(x))                    # (B, 100, h/16, w/16)
        h = F.relu(self.bn5(self.deconv5(h)))
        h = F.relu(self.bn6(self.deconv6(h)))
        h = F.relu(self.bn7(self.deconv7(h)))
        return torch.tanh(self.deconv8(h))


def node(inputs, outputs, norm):
    """Two 3 x 3 convolutions, each with batch norm, or a bias where there is none,
    and ReLU."""
    layers = []
    for channels in (inputs, outputs):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=norm == "none"))
        if norm == "bn":
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class Rise(nn.Module):
    """The map from below brought up, joined to the maps of its own level."""

    def __init__(self, below, skips, outputs, norm):
        super().__init__()
        self.up = nn.ConvTranspose2d(below, outputs, 2, stride=2)
        self.node = node((skips + 1) * outputs, outputs, norm)

    def forward(self, below, *skips):
        return self.node(torch.cat([*skips, self.up(below)], dim=1))


class UNet(nn.Module):
    """The paper's Fig. 5a: filters width, 2 width, ... on five levels."""

    def __init__(self, channels, width=32, norm="bn"):
        super().__init__()
        f = [width << level for level in range(LEVELS)]
        self.fall = nn.ModuleList(node(a, b, norm) for a, b in zip([channels, *f], f))
        self.rise = nn.ModuleList(Rise(2 * a, 1, a, norm) for a in reversed(f[:-1]))
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        levels = [self.fall[0](x)]
        for fall in self.fall[1:]:
            levels.append(fall(F.max_pool2d(levels[-1], 2)))
        h = levels.pop()                                    # (B, 16 width, h/16, w/16)
        for rise in self.rise:
            h = rise(h, levels.pop())
        return torch.tanh(self.out(h))


class UNetPlusPlus(nn.Module):
    """The paper's Fig. 5b: x(i, j) reads x(i, 0) to x(i, j - 1) and x(i + 1, j - 1)."""

    def __init__(self, channels, width=32, norm="bn"):
        super().__init__()
        f = [width << level for level in range(LEVELS)]
        self.fall = nn.ModuleList(node(a, b, norm) for a, b in zip([channels, *f], f))
        self.rise = nn.ModuleList(                          # column by column
            nn.ModuleList(Rise(2 * f[i], j, f[i], norm) for i in range(LEVELS - j))
            for j in range(1, LEVELS))
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        rows = [[self.fall[0](x)]]
        for fall in self.fall[1:]:
            rows.append([fall(F.max_pool2d(rows[-1][0], 2))])
        for column in self.rise:
            below = [row[-1] for row in rows[1:]]
            for row, rise, h in zip(rows, column, below):
                row.append(rise(h, *row))
            rows.pop()                                      # the last level has been read
        return torch.tanh(self.out(rows[0][-1]))


class Discriminator(Trunk):
    """Logit and latent (the last feature map) of images of 32 x 32."""

    def __init__(self, channels, norm="bn"):
        super().__init__(channels, norm)
        self.classifier = conv(256, 1, stride=1, padding=0)

    def forward(self, x):
        z = self.features(x)                                # (B, 256, 4, 4)
        return self.classifier(z).flatten(), z              # (B), z


def made_nets(net, channels, width=None, norm="bn"):
    """G and D; a width of None is the paper's."""
    if net == "naive":
        generator = Generator(channels)
    else:
        generator = (UNet if net == "unet" else UNetPlusPlus)(channels, width or 32, norm)
    return {"generator": generator, "discriminator": Discriminator(channels, norm)}
