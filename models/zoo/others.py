"""Networks beside the best known ones, for ops and attributes that those do not have."""

import torch
from torch import nn
from torch.nn import functional as F

from entry import Entry, image_classifier, indices, reals, zero_or_one


class BERT(nn.Module):
    """Tokens of which 0 is padding that nobody attends to, segments, post-norm layers and a tanh of the first position."""

    def __init__(self, vocabulary=40, length=12, width=32):
        super().__init__()
        self.tokens, self.segments = nn.Embedding(vocabulary, width, padding_idx=0), nn.Embedding(2, width)
        self.positions = nn.Parameter(0.02 * torch.randn(1, length, width))
        self.norm = nn.LayerNorm(width)
        layers = (nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, activation="gelu", batch_first=True)
                  for _ in range(2))
        self.layers = nn.ModuleList(layers)
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, tokens, segments):
        padding = tokens == 0
        x = self.norm(self.tokens(tokens) + self.segments(segments) + self.positions)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        return self.head(torch.tanh(self.pooler(x[:, 0])))


class RMSNorm(nn.Module):
    """Divides by the root of the mean square."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class LlamaBlock(nn.Module):
    """Grouped-query attention with rotated positions, and a gated perceptron."""

    def __init__(self, width, heads, groups, length):
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.query, self.output = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * groups * self.size, bias=False)
        self.gate, self.up = nn.Linear(width, 64, bias=False), nn.Linear(width, 64, bias=False)
        self.down = nn.Linear(64, width, bias=False)
        angles = torch.outer(torch.arange(length).float(), 1e4 ** (-torch.arange(0, self.size, 2) / self.size))
        self.register_buffer("cos", torch.cat([angles, angles], 1).cos())
        self.register_buffer("sin", torch.cat([angles, angles], 1).sin())
        self.register_buffer("future", torch.full((length, length), -1e9).triu(1))

    def rotate(self, x):
        first, second = x.chunk(2, -1)
        return x * self.cos + torch.cat([-second, first], -1) * self.sin

    def repeat(self, x):
        """Each group's keys or values for all of its heads."""
        batch, groups, length, size = x.shape
        repeats = self.heads // groups
        return x[:, :, None].expand(batch, groups, repeats, length, size).reshape(batch, self.heads, length, size)

    def attention(self, x):
        batch, length, width = x.shape
        q = self.rotate(self.query(x).view(batch, length, self.heads, self.size).transpose(1, 2))
        key_value = self.key_value(x).view(batch, length, 2, self.groups, self.size).permute(2, 0, 3, 1, 4)
        k, v = self.repeat(self.rotate(key_value[0])), self.repeat(key_value[1])
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) * self.size ** -0.5 + self.future
        return self.output(torch.einsum("bhqk,bhkd->bqhd", scores.softmax(-1), v).reshape(batch, length, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    """A language model of such blocks; its scores have the class axis second."""

    def __init__(self, vocabulary=50, length=12, width=32):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.blocks = nn.Sequential(LlamaBlock(width, 4, 2, length), LlamaBlock(width, 4, 2, length))
        self.norm, self.head = RMSNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.tokens(tokens)))).transpose(1, 2)


class Mixer(nn.Module):
    """MLP-Mixer: perceptrons over the patches and over the channels in turn."""

    def __init__(self, width=24, patches=16, layers=2):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 8, 8)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers))
        self.tokens = nn.ModuleList(self.perceptron(patches) for _ in range(layers))
        self.channels = nn.ModuleList(self.perceptron(width) for _ in range(layers))
        self.head = nn.Linear(width, 10)

    @staticmethod
    def perceptron(width):
        return nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = self.stem(x).flatten(2).transpose(1, 2)
        for i, (tokens, channels) in enumerate(zip(self.tokens, self.channels)):
            x = x + tokens(self.norms[2 * i](x).transpose(1, 2)).transpose(1, 2)
            x = x + channels(self.norms[2 * i + 1](x))
        return self.head(x.mean(1))


class DeepLab(nn.Module):
    """Dilated convolutions beside each other and bilinear interpolation back to the image, with GroupNorm."""

    def __init__(self, classes=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.GroupNorm(4, 16), nn.LeakyReLU(0.1),
                                  nn.Conv2d(16, 16, 3, 2, 1), nn.GroupNorm(4, 16), nn.PReLU(16))
        self.branches = nn.ModuleList(nn.Conv2d(16, 8, 3, padding=d, dilation=d) for d in (1, 2, 4))
        self.context = nn.Conv2d(16, 8, 1)
        self.project, self.head = nn.Conv2d(32, 16, 1), nn.Conv2d(16, classes, 1)

    def forward(self, x):
        features = self.stem(x)
        context = F.interpolate(self.context(F.adaptive_avg_pool2d(features, 1)), size=features.shape[2:])
        y = torch.cat([branch(features) for branch in self.branches] + [context], 1)
        y = self.head(F.elu(self.project(y)))
        return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)


class Generator(nn.Module):
    """DCGAN's generator, grouped in its middle, and a sub-pixel convolution at the end; InstanceNorm on the way."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(16, 32, 4, bias=False), nn.BatchNorm2d(32), nn.ReLU(True),
            nn.ConvTranspose2d(32, 16, 4, 2, 1, groups=4, bias=False), nn.InstanceNorm2d(16, affine=True), nn.ReLU(True),
            nn.ReflectionPad2d(1), nn.Conv2d(16, 12, 3), nn.PixelShuffle(2), nn.Sigmoid())

    def forward(self, noise):
        return self.layers(noise[:, :, None, None])


class TextCNN(nn.Module):
    """Convolutions over embedded tokens, each channel's maximum over time."""

    def __init__(self, vocabulary=40, width=16):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, 8, kernel) for kernel in (2, 3, 4))
        self.fc = nn.Linear(24, 10)

    def forward(self, tokens):
        x = self.embedding(tokens).transpose(1, 2)
        return F.log_softmax(self.fc(torch.cat([F.relu(c(x)).amax(2) for c in self.convolutions], 1)), 1)


class WaveNet(nn.Module):
    """Causal dilated convolutions with gates, shortcuts and skips."""

    def __init__(self, channels=8):
        super().__init__()
        self.stem = nn.Conv1d(1, channels, 1)
        self.dilated = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 2, dilation=2 ** i) for i in range(4))
        self.mix = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 1) for _ in range(4))
        self.head = nn.Conv1d(channels, 1, 1)

    def forward(self, x):
        x, skips = self.stem(x), 0
        for i, (dilated, mix) in enumerate(zip(self.dilated, self.mix)):
            gate, value = dilated(F.pad(x, (2 ** i, 0))).chunk(2, 1)
            more, skip = mix(torch.sigmoid(gate) * torch.tanh(value)).chunk(2, 1)
            x, skips = x + more, skips + skip
        return self.head(F.softplus(skips))


class C3D(nn.Module):
    """Convolutions and pools over space and time."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d((1, 2, 2)),
                                      nn.Conv3d(8, 16, 3, padding=1), nn.BatchNorm3d(16), nn.ReLU(), nn.AvgPool3d(2))
        self.fc = nn.Linear(16 * 2 * 4 * 4, 10)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


class PointNet(nn.Module):
    """Points, turned by a matrix that depends on all of them, and the maximum of their features."""

    def __init__(self):
        super().__init__()
        self.turn = nn.Sequential(nn.Conv1d(3, 16, 1), nn.BatchNorm1d(16), nn.ReLU(), nn.AdaptiveMaxPool1d(1),
                                  nn.Flatten(), nn.Linear(16, 9))
        self.features = nn.Sequential(nn.Conv1d(3, 16, 1), nn.BatchNorm1d(16), nn.ReLU(), nn.Conv1d(16, 32, 1))
        self.head = nn.Sequential(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))

    def forward(self, points):
        matrix = self.turn(points).view(-1, 3, 3) + torch.eye(3)
        turned = torch.bmm(points.transpose(1, 2), matrix).transpose(1, 2)
        return self.head(self.features(turned).max(2)[0])


class GraphConvolution(nn.Module):
    """Two layers over the normalized adjacency of each sample's graph, read out by a sum."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 1)

    def forward(self, nodes, adjacency):
        closed = adjacency + torch.eye(8)
        scale = closed.sum(-1).clamp(min=1).rsqrt()
        walk = scale[:, :, None] * closed * scale[:, None]
        x = F.relu(self.first(walk @ nodes))
        return self.head(F.relu(self.second(walk @ x)).sum(1))


class Attentive(nn.Module):
    """A GRU whose outputs are weighed by their own scores, and the products of its two layers' last states."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(12, 16, 2)
        self.score, self.fc = nn.Linear(16, 1), nn.Linear(16 + 256, 10)

    def forward(self, x):
        outputs, hidden = self.gru(x.transpose(0, 1))
        weights = torch.softmax(self.score(torch.tanh(outputs)), 0)
        products = torch.einsum("ni,nj->nij", hidden[0], hidden[1]).flatten(1)
        return self.fc(torch.cat([(weights * outputs).sum(0), products], 1))


NETWORKS = {
    "bert": Entry(BERT, {"tokens": indices(40, 12), "segments": indices(2, 12)}, indices(2), "cross-entropy"),
    "llama": Entry(Llama, {"tokens": indices(50, 12)}, indices(50, 12), "cross-entropy", lr=0.1),
    "mixer": image_classifier(Mixer),
    "deeplab": Entry(DeepLab, {"input": reals(3, 32, 32)}, indices(4, 32, 32), "cross-entropy", batch=4, lr=0.5),
    "generator": Entry(Generator, {"noise": reals(16)}, zero_or_one(3, 16, 16), "bce", lr=0.1),
    "text_cnn": Entry(TextCNN, {"tokens": indices(40, 10)}, indices(10), "nll", lr=0.1, opset=13),
    "wavenet": Entry(WaveNet, {"input": reals(1, 32)}, reals(1, 32), "l1", opset=13),
    "c3d": Entry(C3D, {"input": reals(3, 4, 16, 16)}, indices(10), "cross-entropy", batch=8),
    "pointnet": Entry(PointNet, {"points": reals(3, 32)}, indices(10), "cross-entropy"),
    "graph_convolution": Entry(GraphConvolution, {"nodes": reals(8, 6), "adjacency": zero_or_one(8, 8)}, reals(1),
                               "huber", opset=13),
    "attentive_gru": Entry(Attentive, {"input": reals(10, 12)}, indices(10), "cross-entropy", lr=0.1),
}
