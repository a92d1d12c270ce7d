"""Transformers: for images, for sequences, for text."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from entry import Entry, image_classifier, indices, reals


class EncoderBlock(nn.Module):
    """Attention and a perceptron, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, width, heads):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = nn.MultiheadAttention(width, heads, dropout=0.0, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.0),
                                 nn.Linear(4 * width, width), nn.Dropout(0.0))

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class VisionTransformer(nn.Module):
    """Patches by a strided convolution, a class token, learned positions and blocks."""

    def __init__(self, width=32, blocks=3, heads=4, size=32, patch=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(blocks)))
        self.ln = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.ln(self.blocks(x))[:, 0])


class WindowAttention(nn.Module):
    """Swin's attention within windows, shifted or not, with a learned bias by relative position."""

    def __init__(self, width, heads, size, window, shift):
        super().__init__()
        self.heads, self.size, self.window, self.shift = heads, size, window, shift
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias_table = nn.Parameter(0.02 * torch.randn((2 * window - 1) ** 2, heads))
        axes = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        points = torch.stack(axes).flatten(1)
        offsets = points[:, :, None] - points[:, None, :] + window - 1
        self.register_buffer("bias_index", (offsets[0] * (2 * window - 1) + offsets[1]).flatten())
        if shift:
            self.register_buffer("mask", self.shift_mask())

    def shift_mask(self):
        """-100 between positions of a window that the shift brought together from afar."""
        regions = torch.zeros(self.size, self.size)
        edges = (slice(0, -self.window), slice(-self.window, -self.shift), slice(-self.shift, None))
        for i, rows in enumerate(edges):
            for j, columns in enumerate(edges):
                regions[rows, columns] = 3 * i + j
        n = self.size // self.window
        regions = regions.view(n, self.window, n, self.window).permute(0, 2, 1, 3).reshape(n * n, -1)
        return torch.where(regions[:, None] == regions[:, :, None], 0.0, -100.0)[None, :, None]

    def forward(self, x):
        batch, size, _, width = x.shape
        n, area = self.size // self.window, self.window ** 2
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.view(-1, n, self.window, n, self.window, width).permute(0, 1, 3, 2, 4, 5).reshape(-1, area, width)
        qkv = self.qkv(x).reshape(-1, area, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = (q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.bias_table[self.bias_index].view(area, area, self.heads).permute(2, 0, 1)
        scores = scores + bias[None]
        if self.shift:
            scores = (scores.view(-1, n * n, self.heads, area, area) + self.mask).view(-1, self.heads, area, area)
        x = (F.softmax(scores, -1) @ v).transpose(1, 2).reshape(-1, area, width)
        x = self.proj(x).view(-1, n, n, self.window, self.window, width).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(-1, size, size, width)
        return torch.roll(x, (self.shift, self.shift), (1, 2)) if self.shift else x


class SwinBlock(nn.Module):
    """Window attention and a perceptron, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, width, heads, size, window, shift):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads, size, window, shift)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchMerging(nn.Module):
    """Four neighbours become one position of twice the width."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x):
        corners = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        return self.reduction(self.norm(torch.cat(corners, -1)))


class Swin(nn.Module):
    """Stages of plain and shifted blocks in turn, each stage of half the side and twice the width of the one before."""

    def __init__(self, width=16, size=32, patch=4, depths=(2, 2), heads=(2, 4), windows=(4, 2)):
        super().__init__()
        side = size // patch
        self.patches, self.norm0 = nn.Conv2d(3, width, patch, patch), nn.LayerNorm(width)
        stages = []
        for stage, (depth, head, window) in enumerate(zip(depths, heads, windows)):
            if stage:
                stages.append(PatchMerging(width))
                width, side = 2 * width, side // 2
            shift = window // 2 if window < side else 0
            stages += [SwinBlock(width, head, side, window, shift * (i % 2)) for i in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.norm0(self.patches(x).permute(0, 2, 3, 1))
        x = self.norm(self.stages(x)).permute(0, 3, 1, 2)
        return self.head(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class TransformerEncoder(nn.Module):
    """PyTorch's own encoder layers over vectors with sinusoidal positions, classified by their mean."""

    def __init__(self, features=12, length=10, width=32):
        super().__init__()
        angles = torch.arange(length)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
        self.register_buffer("positions", torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[None])
        self.embed = nn.Linear(features, width)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(self.encoder(self.embed(x) + self.positions).mean(1))


class CausalBlock(nn.Module):
    """GPT-2's block: each position attends to those before it."""

    def __init__(self, width, heads, length):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("causal", torch.ones(length, length).tril().bool()[None, None])

    def attention(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
                   for part in self.qkv(x).split(width, 2))
        scores = q @ k.transpose(-2, -1) / math.sqrt(width // self.heads)
        scores = scores.masked_fill(~self.causal[:, :, :length, :length], float("-inf"))
        return self.proj((F.softmax(scores, -1) @ v).transpose(1, 2).reshape(batch, length, width))

    @staticmethod
    def gelu(x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 3))))

    def forward(self, x):
        x = x + self.attention(self.ln_1(x))
        return x + self.down(self.gelu(self.up(self.ln_2(x))))


class GPT(nn.Module):
    """A language model whose last layer is its embedding; its output is the loss of the next token."""

    def __init__(self, vocabulary=50, length=12, width=32, heads=4, blocks=2):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(CausalBlock(width, heads, length) for _ in range(blocks)))
        self.ln = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.head.weight = self.tokens.weight

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        logits = self.head(self.ln(self.blocks(x)))
        return F.cross_entropy(logits.transpose(1, 2), targets)


NETWORKS = {
    "vit": image_classifier(VisionTransformer),
    "swin": image_classifier(Swin),
    "transformer_encoder": Entry(TransformerEncoder, {"input": reals(10, 12)}, indices(10), "cross-entropy"),
    "gpt": Entry(GPT, {"tokens": indices(50, 12), "targets": indices(50, 12)}, None, "output:loss"),
}
